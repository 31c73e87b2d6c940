"""A crew launcher for hosts reached by SSH; found by name, never imported by users."""
