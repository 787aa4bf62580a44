"""Keeps the deployments of a work pool running that name a flow by its old place: :mod:`leeway.flows.served` has them.

For one release: a `prefect.yaml` that was copied from an earlier one says ``leeway.served.react_flow``.
"""

from leeway.flows.served import audit_flow, react_flow, retrain_flow

__all__ = ["audit_flow", "react_flow", "retrain_flow"]
