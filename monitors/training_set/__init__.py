"""Training sets: the labelled rows of a period, joined bucket by bucket, in memory that does not grow with it."""
