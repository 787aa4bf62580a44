"""Alerts: signed webhooks, delivered from the registry's outbox."""
