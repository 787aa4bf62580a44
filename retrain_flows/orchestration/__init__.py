"""Orchestration by Prefect: server, guard, deployments and flows; and the same work without Prefect."""
