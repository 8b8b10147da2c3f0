"""Gradients of real programs, beside what else computes them: `python -m benchmarks.gradients`."""
