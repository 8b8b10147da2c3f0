"""Compiled kernels and their call layer under AddressSanitizer, UBSan and valgrind.

What kernels are called with is collected first, by deriving programs and stopping at the call. They
are then compiled for a tool, and called under it by a process that does nothing else (`worker`).
"""
