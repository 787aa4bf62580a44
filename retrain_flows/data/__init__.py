"""Training data: point-in-time labelled rows, the rows of a baseline, and a model's workspace."""
