"""Retraining: decision, training data, challengers, gate, promotion and audit; Prefect runs it."""
