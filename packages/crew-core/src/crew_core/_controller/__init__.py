"""What a user holds: the controller, handles and tables, and how many workers run."""
