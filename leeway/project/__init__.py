"""The project file (leeway.yaml): parsing, validation with line numbers, resolution of addresses."""
