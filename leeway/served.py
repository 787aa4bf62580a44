"""Compatibility module for Prefect deployments that name flows by their old module; see :mod:`leeway.flows.served`.

For one release: a `prefect.yaml` that was copied from an earlier one says ``leeway.served.react_flow``.
"""

from leeway.flows.served import audit_flow, react_flow, retrain_flow

__all__ = ["audit_flow", "react_flow", "retrain_flow"]
