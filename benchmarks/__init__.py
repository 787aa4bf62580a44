"""Benchmarks of speed and memory: competitors run side by side in one run and are reported as ratios."""
