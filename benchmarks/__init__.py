"""Benchmarks: `python -m benchmarks.swell` and so on; each prints one table or a few."""
