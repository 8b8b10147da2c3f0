"""Code generation: schedule, names, spelling, printing; then one file for each target."""
