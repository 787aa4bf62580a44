"""Static and online side by side, for `leeway status`: which serves, how good each is, and what the other waits for.

A model of the other kind comes to serve by the gate alone, so what it waits for is the next retrain, or what the
retrain that is under way waits for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from features.window import format_span, from_ms
from leeway import assembly
from leeway import learner_branch as own_branch
from leeway.context import Context
from leeway.project.load import Model
from monitors.finding import Stage
from registry import queries
from registry.records import Champion, RunState, Version, VersionState
from registry.views import incident_response
from retrain_flows import past_runs, schedule
from retrain_flows.training import learner_branch, learner_losses, retrain_data
from retrain_flows.training.learner_branch import Branch, Snapshot
from retrain_flows.training.learner_losses import BothLosses, MeanLoss


@dataclass(frozen=True, slots=True)
class Side:
    """The champion, or the newest model of another kind.

    Parameters
    ----------
    mode
        ``static``, ``online``, or ``external`` where Leeway only watches.
    version, snapshot
        Its version, and the digest of its snapshot where it is the learner's; None where there is none.
    state
        The version's state; "" for a snapshot that is no version yet.
    serves
        Whether it is the champion.
    learned_until, age
        The end of the rows that it has learned from, and how long before the newest event time on record that is.
    loss
        Its mean loss on the newest samples, on the same rows for both kinds; None without a learner.
    gate_loss, gate_champion
        Its mean loss in its gate, and the champion's there; None where no gate was run.
    waits_for
        What it waits for; "" for the champion.
    """

    mode: str
    version: str | None
    snapshot: str | None
    state: str
    serves: bool
    learned_until: datetime | None
    age: timedelta | None
    loss: MeanLoss | None
    gate_loss: float | None
    gate_champion: float | None
    waits_for: str

    @property
    def text(self) -> str:
        """It in a line, for people."""
        parts = [f"{self.mode}: {self._name}" + (" serves" if self.serves else "")]
        if self.learned_until is not None and self.age is not None:
            parts.append(f"learned until {self.learned_until:%Y-%m-%d %H:%M}, {format_span(self.age)} ago")
        if self.loss is not None:
            parts.append(self.loss.text)
        elif self.gate_loss is not None and self.gate_champion is not None:
            parts.append(f"loss {self.gate_loss:.3g} in its gate, where the champion had {self.gate_champion:.3g}")
        if self.waits_for:
            parts.append(f"waits for {self.waits_for}")
        return "; ".join(parts)

    @property
    def _name(self) -> str:
        own = [f"{self.version} ({self.state})"] if self.version and not self.serves else [self.version or ""]
        return " ".join([*own, f"snapshot {self.snapshot[:12]}" if self.snapshot else ""]).strip() or "none yet"


def read(opened: Context, model: Model) -> list[Side]:
    """Return the champion and the newest model of each other kind that retrains make; empty without a champion."""
    champion = queries.champion(opened.registry, model.name)
    return list(_Sides(opened, model, champion).all()) if champion is not None else []


@dataclass(frozen=True, slots=True)
class _Sides:
    """What the sides of a model are read from."""

    opened: Context
    model: Model
    champion: Champion

    def all(self) -> Iterator[Side]:
        """Yield the champion's side, then the others'."""
        reg, name = self.opened.registry, self.model.name
        versions = queries.versions(reg, name)
        serving = next(v for v in versions if v.version == self.champion.version)
        branch = learner_branch.newest(self.opened.dir, name)
        losses = self._losses(branch, serving)
        yield self._of_version(serving, losses.served if losses else None, "")
        for mode in self.model.retrain.trainers if self.model.retrain else ():
            if mode == "online" and branch is not None and (snapshots := branch.snapshots()):
                if snapshots[-1].digest != serving.artifact:
                    yield self._of_snapshot(snapshots[-1], versions, losses.learner if losses else None, branch)
            elif mode != serving.mode:
                newest = [v for v in versions if v.mode == mode]
                yield self._of_version(newest[-1] if newest else None, None, self._waits_for(), mode)

    def _of_version(self, version: Version | None, loss: MeanLoss | None, waits_for: str, mode: str = "") -> Side:
        if version is None:
            return Side(mode, None, None, "", False, None, None, None, None, None, waits_for)
        own, until = version.metrics, version.trained_until
        return Side(
            version.mode, version.version, None, version.state.value, version.state is VersionState.CHAMPION, until,
            self._age(until), loss, own.get("challenger"), own.get("champion"), waits_for,
        )  # fmt: skip

    def _of_snapshot(self, snapshot: Snapshot, versions: list[Version], loss: MeanLoss | None, branch: Branch) -> Side:
        version = next((v for v in versions if v.artifact == snapshot.digest), None)
        back = learner_branch.rolled_back(self.opened.registry, self.model.name, branch)
        waits_for = "`leeway learner fork`: a snapshot of its branch was rolled back" if back else self._waits_for()
        own = version.metrics if version else {}
        return Side(
            "online", version.version if version else None, snapshot.digest, version.state.value if version else "",
            False, from_ms(snapshot.end), self._age(from_ms(snapshot.end)), loss, own.get("challenger"),
            own.get("champion"), waits_for,
        )  # fmt: skip

    def _losses(self, branch: Branch | None, serving: Version) -> BothLosses | None:
        if branch is None or self.model.retrain is None:
            return None
        sd = retrain_data.label_sd(assembly.workspace(self.opened, self.model), serving)
        return learner_losses.read(
            self.model.schema, own_branch.samples(self.opened, self.model), branch, version=serving.version,
            span=self.model.retrain.evaluation, sd=sd,
        )  # fmt: skip

    def _age(self, until: datetime | None) -> timedelta | None:
        """Return how long before the newest event time on record a moment is, in whole hours."""
        ends = [queries.newest_window(self.opened.registry, self.model.name, stage) for stage in Stage]
        newest = max((end for end in ends if end is not None), default=None)
        if until is None or newest is None:
            return None
        return timedelta(hours=max(0, (newest - until) // timedelta(hours=1)))

    def _waits_for(self) -> str:
        """Return what brings the next model of a kind that does not serve to the gate, or through it."""
        reg, name = self.opened.registry, self.model.name
        for run in (*queries.unfinished(reg, name, RunState.HELD), *queries.unfinished(reg, name, RunState.RUNNING)):
            return incident_response.run_waits_for(run)
        steps = incident_response.newest(reg, queries.open_incidents(reg, name))
        if clauses := [step.waits_for for step in steps.values() if step.waits_for]:
            return clauses[0]
        last = past_runs.last_training(assembly.workspace(self.opened, self.model)) or self.champion.since
        planned = schedule.text(self.model.retrain.schedule, last) if self.model.retrain else ""
        return planned or "a retrain: by an incident, or `leeway retrain`"
