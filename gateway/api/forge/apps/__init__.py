"""What apps ask of jobs, printers, members and files (Forge: app side)."""
