"""Promotion gate: the checks on a challenger, and the paired test of champion and challenger."""
