"""Features of facts: declared once, computed alike in process, in a stream and in batch."""
