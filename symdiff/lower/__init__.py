"""Lowering: the IR of a function as loop nests over explicit memory, for compiled targets."""
