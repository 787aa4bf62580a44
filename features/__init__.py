"""Features and events: one definition of what an event and a feature are, for history, the live stream and serving."""
