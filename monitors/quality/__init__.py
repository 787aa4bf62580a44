"""Data quality: missing, invalid, unseen and constant values, unit changes, swapped columns, volume, duplicates."""
