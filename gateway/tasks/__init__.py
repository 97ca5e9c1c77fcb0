"""Work beside the print job, done for a member and told to the engine as commands."""
