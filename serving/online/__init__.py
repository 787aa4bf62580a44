"""Online serving: a champion's answers over HTTP, in the Open Inference Protocol and in plain JSON."""
