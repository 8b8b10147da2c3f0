"""The command line: `symdiff diff`, `build`, `check`, `primitives`."""
