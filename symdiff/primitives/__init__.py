"""The table: the calculus book. One row states one primitive; see `table.py` for the whole."""
