"""Schema inference from a sample of a log: CSV dialect, column roles, feature kinds, times, task and periods."""
