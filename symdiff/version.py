"""The version of symdiff, in one place."""

VERSION = "0.1.0"
