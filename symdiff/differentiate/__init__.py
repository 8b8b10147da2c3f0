"""Differentiation: expression to expression, so its results are differentiated again."""
