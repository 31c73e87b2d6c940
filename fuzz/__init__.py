"""Throws anything at all at each border that strangers, workers and platforms can reach."""
