"""symdiff: source-to-source symbolic differentiation of Python functions."""
