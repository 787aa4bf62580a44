"""Event files: CSV, JSON Lines and Parquet, cut into chunks and read into untyped columns."""
