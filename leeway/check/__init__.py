"""`leeway check`: whether files, rows, times, values and surroundings can be used, with each fix."""
