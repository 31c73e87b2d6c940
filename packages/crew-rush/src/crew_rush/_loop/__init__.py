"""The process that runs a user's loop."""
