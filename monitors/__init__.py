"""Drift monitoring: profiles compared with the training baseline, verdicts, and the Flink jobs that compute them."""
