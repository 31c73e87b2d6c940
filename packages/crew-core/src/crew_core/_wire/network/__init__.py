"""Connections between dispatcher and workers over a network: TCP, with mutual TLS."""
