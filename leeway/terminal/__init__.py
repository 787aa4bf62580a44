"""Terminal output: tables, JSON, progress, errors; exit codes; escaping of control characters in data."""
