"""Statistics on binned counts: bins, distances, their null distributions, thresholds and effect intervals."""
