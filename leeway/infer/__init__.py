"""Inference of a project from a sample of a log: file dialect, column roles, types, times and periods."""
