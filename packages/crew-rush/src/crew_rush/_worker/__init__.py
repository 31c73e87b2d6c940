"""What launchers start: a supervisor that keeps a user's loop and runs none of its code."""
