"""What managers and workers alike can do with the tasks of a network."""
