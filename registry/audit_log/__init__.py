"""The audit log: hash-chained lines, signed row digests, heads outside the database, and verification."""
