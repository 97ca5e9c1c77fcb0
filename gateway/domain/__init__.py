"""What a job, a printer, a member is, and what may become of it. No I/O, no clock, no third-party import."""
