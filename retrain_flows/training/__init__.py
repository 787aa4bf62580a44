"""Training: static and online challengers, out-of-sample predictions, feature importance."""
