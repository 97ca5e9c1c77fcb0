"""What lies between a host and a board: `uart` (rates, garbage at the wrong rate), `link` (the cable)."""
