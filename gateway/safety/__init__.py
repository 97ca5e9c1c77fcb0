"""The second opinion on heat: what is watched, and when it is an alarm. Pure; time is an argument."""
