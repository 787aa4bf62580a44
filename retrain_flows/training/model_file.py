"""Model file of a candidate: its serialisation, and the check that it is not a file that was served before."""

from __future__ import annotations

import hashlib
from typing import Any

from features import errors
from registry import queries
from registry.files import artifacts
from registry.records import Check, CheckResult, Version, VersionState
from retrain_flows.data.workspace import Workspace


def of(ws: Workspace, model: Any, existing: Version | None = None) -> bytes | errors.TrainerError:
    """Return the model file of a fitted model, or the reason why it cannot be stored; an *existing* version has one."""
    if existing is not None and existing.artifact is not None:
        return ws.registry.artifacts.get(existing.artifact)
    try:
        return artifacts.dump_model(model)
    except errors.TrainerError as error:
        return error


def same_file_check(ws: Workspace, artifact: bytes | errors.TrainerError) -> list[Check]:
    """Fail a candidate whose model file is the champion's or was rolled back; none if no version has this file."""
    if isinstance(artifact, errors.TrainerError):
        return []
    digest = hashlib.sha256(artifact).hexdigest()
    same = [v for v in queries.versions(ws.registry, ws.model) if v.artifact == digest]
    if not same:
        return []
    back = {p.from_version for p in queries.promotions(ws.registry, ws.model) if p.kind == "rollback"}
    states = {v.version: "rolled back" if v.version in back else v.state.value for v in same}
    refused = any(state in ("rolled back", VersionState.CHAMPION.value) for state in states.values())
    got = "same model file as " + ", ".join(f"{version} ({state})" for version, state in states.items())
    result = CheckResult.FAIL if refused else CheckResult.PASS
    return [
        Check(name="known", result=result, got=got, want="a file that is neither the champion's nor was rolled back")
    ]
