"""How far the learner of a model is, for `leeway learner status` and `leeway status`: from the files of its branch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from features.window import from_ms
from leeway.context import Context
from leeway.project.load import Model
from registry import queries
from retrain_flows.training import learner_branch


def progress_text(progress: dict[str, Any]) -> str:
    """Return how far a branch is, in words."""
    if not progress:
        return "no samples yet"
    loss = "" if progress["loss"] is None else f", prequential loss {progress['loss']:.4g}"
    until = f"{from_ms(progress['mark']):%Y-%m-%d %H:%M}"
    return f"{progress['learned']:,} samples learned, {progress['tested']:,} tested, labels until {until}{loss}"


def read(opened: Context, model: Model) -> dict[str, Any]:
    """Return how far the learner of a model is."""
    branch = learner_branch.newest(opened.dir, model.name)
    if branch is None:
        return {"model": model.name, "branch": None}
    back, snapshots = learner_branch.rolled_back(opened.registry, model.name, branch), branch.snapshots()
    versions = {v.artifact: v.version for v in queries.versions(opened.registry, model.name) if v.artifact}
    progress = branch.progress()
    return {
        "model": model.name, "branch": branch.number, "plan": asdict(branch.plan), **progress,
        "mark": from_ms(progress["mark"]) if progress else None,
        "ended": f"snapshot {back.digest[:12]} was rolled back" if back else None, "text": progress_text(progress),
        "snapshots": [{**asdict(s), "version": versions.get(s.digest), "mark": from_ms(s.mark), "end": from_ms(s.end)}
                      for s in snapshots],
    }  # fmt: skip
