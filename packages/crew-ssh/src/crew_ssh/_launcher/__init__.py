"""The launcher ``ssh``."""
