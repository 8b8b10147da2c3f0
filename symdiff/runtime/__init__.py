"""Running generated code: loading it, and choosing a version for the arguments of a call."""
