"""What runs inside Flink's Python workers, without Flink: decoding, row batches, keyed state, report lines."""
