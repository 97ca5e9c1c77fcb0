"""Who asks, and what they may see and do. Pure rules: no HTTP, no clock, no store."""
