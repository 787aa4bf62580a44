"""The training baseline: frozen bins, reference counts, importance, and shares of the false-alarm budget."""
