"""Row-level transforms: features that a function of the project computes of other features of the same row."""
