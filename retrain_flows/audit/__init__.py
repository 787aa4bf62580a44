"""The scheduled audit: history recounted in batch, training-serving skew, and the registry's own proof."""
