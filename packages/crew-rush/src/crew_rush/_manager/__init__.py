"""What a manager holds: starts, watches and stops the workers of a network."""
