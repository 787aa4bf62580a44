"""The promotion gate: what a challenger has to show, and the paired test that shows it."""
