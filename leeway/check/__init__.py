"""`leeway check`: validation of files, rows, times, values and environment, each finding with its fix."""
