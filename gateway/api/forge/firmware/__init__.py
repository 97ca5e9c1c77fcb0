"""What printers that call in ask and post (Forge: firmware side)."""
