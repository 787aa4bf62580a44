"""Promotion gate: the checks on a challenger, and the evidence that its losses are lower than the champion's."""
