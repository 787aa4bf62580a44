"""Training: static and online challengers, out-of-sample predictions, permutation importance."""
