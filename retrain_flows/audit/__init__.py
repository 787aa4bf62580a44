"""Audit: a batch recount of windows, verdicts and predictions, and the registry against its files and its audit log."""
