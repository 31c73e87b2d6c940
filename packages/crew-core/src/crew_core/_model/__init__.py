"""Immutable facts that every process shares: errors, states, options, records. No I/O."""
