"""What tests give to the code in the place of a scheduler and of crew."""
