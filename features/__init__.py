"""What an event and a feature are, once: the same definition serves history, the live stream and serving."""
