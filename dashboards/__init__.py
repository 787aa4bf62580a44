"""Looking at it: pages that read the registry and nothing else."""
