"""Telling people and machines: the outbox's rows, signed and delivered."""
