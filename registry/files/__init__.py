"""Files that the registry answers for: model artifacts by content hash, and published baselines."""
