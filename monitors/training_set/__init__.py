"""Training sets: the labelled rows of a period, joined bucket by bucket, so that memory does not grow with the period."""
