"""Topics: the records that have not landed yet, by their offsets."""
