"""Attacks on the port of a controller at work: refused, told of in bounds, they stop nothing."""
