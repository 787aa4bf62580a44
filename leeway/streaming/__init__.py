"""A model's streaming job: submission, life cycle on Flink, consumption of its output, reconnection."""
