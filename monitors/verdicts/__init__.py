"""Verdicts on one window: distribution drift, performance, estimates, silence; and the monitoring plan."""
