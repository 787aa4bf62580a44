"""Values of events, typed: numbers, categories, times, predictions and labels, with a mask for what is invalid."""
