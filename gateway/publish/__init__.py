"""What goes out by itself: live events, callbacks, states to the user's broker. Never writes state."""
