"""Serving: predictions by the champion or another version, for files and topics."""
