"""Immutable facts: states, errors, names, what is known of tasks and workers."""
