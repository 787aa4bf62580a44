"""The project's flows: run once from a command, or served for Prefect's schedules."""
