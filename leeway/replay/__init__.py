"""`leeway replay`: policy comparison on recorded history, on null worlds and on injected changes."""
