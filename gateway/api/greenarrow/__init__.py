"""GreenArrow Studio's background jobs: prints and tasks in one list."""
