"""Explanations of an alarm: its onset, which bins changed, and mix shift against within-segment shift."""
