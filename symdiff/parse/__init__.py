"""A partial evaluator over the Python AST: static Python values, dynamic IR values."""
