"""Tests that need workers to run as jobs of AWS Batch."""
