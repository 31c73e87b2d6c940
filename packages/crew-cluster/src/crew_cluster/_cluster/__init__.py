"""What all schedulers share."""
