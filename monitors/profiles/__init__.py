"""Profiles: windows of events as counts of features, predictions and outcomes, and what is derived from them."""
