"""The one writer: commands and observations in, commits, events and orders out."""
