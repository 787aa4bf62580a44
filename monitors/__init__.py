"""How far is now from then: bins, profiles, distances and verdicts, and the Flink jobs that compute them."""
