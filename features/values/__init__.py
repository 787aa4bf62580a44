"""Typed values of events: numbers, categories, times, predictions and labels, with a mask for what is invalid."""
