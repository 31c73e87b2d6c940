"""The monitor ``ssh``."""
