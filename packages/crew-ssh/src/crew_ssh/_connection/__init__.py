"""How a host is reached: the user's own SSH setup, jumps, proofs, one connection, its tunnel."""
