"""Connections between dispatcher and workers over a network: TCP, with mutual TLS.

NNG is not used here: it loses TLS connections that are cut, and never dials them again (see
docs/decisions/0013).
"""
