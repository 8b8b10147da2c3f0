"""The table: the calculus book. One row states one primitive; see `table.py` for the whole."""

# Whoever imports a row finds the table complete, with all its spellings: rows refer to one another
# by name.
from symdiff.primitives import table as table  # isort: skip
from symdiff.primitives import spellings as spellings
