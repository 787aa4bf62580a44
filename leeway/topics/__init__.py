"""Kafka topics by hand: events produced from files, records shown."""
