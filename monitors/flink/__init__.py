"""The Flink jobs: sources, windows, the label join and sinks. Nothing else imports pyflink."""
