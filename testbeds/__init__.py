"""Brings up real and recorded job schedulers on one Linux machine, for tests of launchers."""
