"""`leeway replay`: policies replayed on recorded history, on null worlds and on injected changes."""
