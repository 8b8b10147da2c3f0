"""The C target: kernels as C99, and the extension modules that Python calls them through."""
