"""Starts workers as jobs of AWS Batch, watches and ends them."""
