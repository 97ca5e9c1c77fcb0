"""One printer kind a file: orders in, observations out. Drivers observe, they don't judge."""
