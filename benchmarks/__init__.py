"""Measures crew beside its peers: `nox -s bench`. README.md says how."""
