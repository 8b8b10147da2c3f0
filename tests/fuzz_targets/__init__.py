"""Generated programs through every target: the same values, the same exceptions, or a refusal."""
