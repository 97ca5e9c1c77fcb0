"""One folder a printer kind: orders in, observations out (`contract`). Drivers observe, they do not judge."""
