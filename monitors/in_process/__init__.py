"""Counts, baselines and window reports in this process, by the jobs' own functions and without an engine."""
