"""Generated programs, and what must hold for the derivative of each.

python -m tests.fuzz --count 2000 --seed 0 [--jax] [--save FOLDER]
"""
