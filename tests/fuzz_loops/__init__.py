"""Generated programs with loops on run-time values, and what must hold for their derivatives.

python -m tests.fuzz_loops --count 5000 --seed 0 [--no-writes] [--save FOLDER]
"""
