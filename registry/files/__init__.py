"""Files of the registry: model files by content hash, and published baselines."""
