"""Batch scoring: a bounded set of events answered part by part, so that a run that was interrupted goes on."""
