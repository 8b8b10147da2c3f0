"""Running generated code: loading it, and choosing a compiled version for the arguments of a call."""
