"""The faults, a file for each kind of what is struck."""
