"""Rewrites of expressions: `Function -> Function`, each pass listed once in the pipeline."""
