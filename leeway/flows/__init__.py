"""The project's Prefect flows: run once from a command, or served for schedules."""
