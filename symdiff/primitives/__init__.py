"""The table: the calculus book. One row states one primitive; see `table.py` for the whole."""

# Whoever imports a row finds the table complete: rows refer to one another by name.
from symdiff.primitives import table as table
