"""The prediction log: answers as prediction events in Parquet files, written beside the requests, never in them."""
