"""Requests: from JSON in either protocol to validated rows, with field, value and fix of what is wrong."""
