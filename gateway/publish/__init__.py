"""What goes out by itself: live events. Never writes state."""
