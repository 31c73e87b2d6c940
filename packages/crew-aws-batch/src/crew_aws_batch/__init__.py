"""A crew launcher for AWS Batch; found by name, never imported by users."""
