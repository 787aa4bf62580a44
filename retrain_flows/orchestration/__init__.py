"""Prefect: the server, its guard, deployments and flows, and the same work without Prefect."""
