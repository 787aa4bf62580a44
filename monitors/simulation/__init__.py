"""Simulation on recorded slices: bootstrap without change, injected drift, and comparison of policies."""
