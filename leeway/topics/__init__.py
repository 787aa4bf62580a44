"""Kafka topics by hand: producing events from files, showing records."""
