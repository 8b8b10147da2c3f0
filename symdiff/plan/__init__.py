"""Where and when each value is computed, and which memory it has: what all targets share."""
