"""Plan for a baseline that is too short for the false-alarm guarantee: what it has and needs, and when it is renewed.

After a change of concept there are few rows of the new kind, so a new champion may begin with a short baseline. It is
renewed once enough slices in a row have come without drift or fault. This one function counts them, for the reconciler,
status, pages and messages alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from features.window import from_ms, to_ms
from monitors.baseline import renewal
from monitors.baseline.baseline import Slice
from monitors.baseline.renewal import SLICES_NEEDED, BaselineLength
from monitors.finding import Stage, Verdict
from registry import lookups
from registry.connection import Registry
from registry.database import mapping, tables
from registry.records import Champion

_T = tables.window_reports.c
_MINUTE = "%Y-%m-%d %H:%M"
_LENGTHS: dict[str, BaselineLength] = {}
"""How long baselines are, by the digest that names their content for ever."""
Ends = Mapping[Stage, tuple[int, ...]]
"""The ends of slices by stage, in milliseconds since the epoch, oldest first."""


@dataclass(frozen=True, slots=True)
class BaselinePlan:
    """How a champion's baseline stands to the false-alarm guarantee.

    Parameters
    ----------
    version, revision, digest
        The champion, and its newest baseline.
    slices, needed
        How many slices of all traffic it has, in the stage that has fewest, and how many the guarantee needs.
    gained, missing
        How many slices in a row without drift or fault have come since, and how many are needed, in the stage that
        lacks most.
    since
        From when on slices count, in event time: the champion began to serve, or drift or a fault was seen last.
    renewable_from
        From when on it can be renewed at the earliest, in event time; None where it has what it needs.
    obstacle
        What stands in the way of a renewal now; empty if nothing does.
    until
        Where the slices end that a renewal adds, in event time; None as long as there are too few.
    """

    version: str
    revision: int
    digest: str
    slices: int
    needed: int
    gained: int
    missing: int
    since: datetime
    renewable_from: datetime | None
    obstacle: str
    until: datetime | None

    @property
    def is_short(self) -> bool:
        """Whether it is too short for the guarantee."""
        return self.renewable_from is not None

    @property
    def is_due(self) -> bool:
        """Whether it can be renewed now."""
        return self.until is not None and not self.obstacle

    @property
    def summary(self) -> dict[str, Any]:
        """The plan as JSON, for a message."""
        moment = self.renewable_from.isoformat() if self.renewable_from else None
        return {"version": self.version, "slices": self.slices, "needed": self.needed, "renewable_from": moment,
                "plan": self.text}  # fmt: skip

    @property
    def sentence(self) -> str:
        """The plan as a sentence of its own."""
        return f"{self.text[0].upper()}{self.text[1:]}."

    @property
    def text(self) -> str:
        """The plan in a clause."""
        named = f"baseline of {self.version}" + (f", revision {self.revision}" if self.revision > 1 else "")
        if self.renewable_from is None:
            return f"{named}: {self.slices} slices; the false-alarm guarantee needs {self.needed}"
        has = f"{named}: {self.slices} of the {self.needed} slices that the false-alarm guarantee needs, so none yet"
        more = f"{self.gained} of {self.missing} more have come without drift or fault since {self.since:{_MINUTE}} UTC"
        if self.obstacle:
            return f"{has}; {more}; it is not renewed while {self.obstacle}"
        if self.is_due:
            return f"{has}; {more}; the next decision run renews it"
        return f"{has}; {more}; it is renewed from {self.renewable_from:{_MINUTE}} UTC on (event time) at the earliest"


def read(reg: Registry, model: str) -> BaselinePlan | None:
    """Return the plan of the champion's baseline; None without a champion."""
    with reg.read() as c:
        return read_in(c, model)


def read_in(c: sa.Connection, model: str) -> BaselinePlan | None:
    """Return the plan of the champion's baseline in the caller's transaction; None without a champion."""
    champion = mapping.one(c, Champion, tables.champions.c.model == model)
    digest = lookups.version(c, model, champion.version).baseline if champion else None
    if champion is None or digest is None:
        return None
    own = _length(c, digest)
    since = _since(c, champion, own)
    ends = {stage: _ends(c, champion, stage, since) for stage in own.slices} if own.is_short else {}
    return plan(champion.version, digest, own, since, ends, _obstacle(c, model) if own.is_short else "")


def digests(reg: Registry, model: str, version: str) -> list[str]:
    """Return the sha256 of each revision of a version's baseline, the first one first; none before it has any."""
    with reg.read() as c:
        return lookups.baseline_digests(c, model, version)


def unpublished(reg: Registry, model: str) -> list[str]:
    """Return the sha256 of renewed baselines that are on record and were not published to the jobs yet."""
    t = tables.baselines.c
    pending = sa.select(t.digest).where(t.model == model, t.revision > 1, t.published_at.is_(None))
    with reg.read() as c:
        return list(c.scalars(pending.order_by(t.version, t.revision)))


def plan(version: str, digest: str, own: BaselineLength, since: int, ends: Ends, obstacle: str = "") -> BaselinePlan:
    """Return the plan of a baseline.

    Parameters
    ----------
    version, digest
        The version, and its newest baseline.
    own
        How long that is.
    since
        From when on slices count, in milliseconds since the epoch.
    ends
        The slices of all traffic with rows that have come since, by stage.
    obstacle
        What stands in the way of a renewal; empty if nothing does.
    """
    missing = own.missing
    lacking = max(missing, key=lambda stage: (missing[stage] - len(ends.get(stage, ())), missing[stage]))
    until = _until(own, ends) if own.is_short else None
    return BaselinePlan(
        version=version, revision=own.revision, digest=digest, slices=min(own.slices.values()), needed=SLICES_NEEDED,
        gained=min(len(ends.get(lacking, ())), missing[lacking]), missing=missing[lacking], since=from_ms(since),
        renewable_from=from_ms(_earliest(own, since, ends)) if own.is_short else None,
        obstacle=obstacle if own.is_short else "", until=None if until is None else from_ms(until),
    )  # fmt: skip


def _until(own: BaselineLength, ends: Ends) -> int | None:
    """Return the end of the first slice with which no stage lacks any; None as long as one does, or is behind.

    A change that began in the newest slices is not confirmed yet, so a window's slices without drift must have followed
    in each stage: else the renewal would make normal what is about to be an incident.
    """
    missing = own.missing
    if any(len(ends.get(stage, ())) < max(n, 1) for stage, n in missing.items()):
        return None
    until = max(ends[stage][n - 1] for stage, n in missing.items() if n)
    return until if all(ends[stage][-1] >= until + own.confirmation for stage in missing) else None


def _earliest(own: BaselineLength, since: int, ends: Ends) -> int:
    """Return when the last missing slice can be confirmed at the earliest: outcomes wait for labels, too."""
    moments = []
    for stage, missing in own.missing.items():
        have = ends.get(stage, ())
        if len(have) >= missing > 0:
            closed = have[missing - 1]
        else:
            closed = (have[-1] if have else since) + max(missing - len(have), 0) * own.slide
        moments.append(closed + own.confirmation + (own.label_delay if stage is Stage.OUTCOMES else 0))
    return max(moments)


def _since(c: sa.Connection, champion: Champion, own: BaselineLength) -> int:
    """Return from when on slices count (ms): whole ones of the champion, after its baseline and the last bad window."""
    begins = -(-to_ms(champion.since) // own.slide) * own.slide
    bad = sa.select(sa.func.max(_T.window_end)).where(_mine(champion), _T.verdict == Verdict.DRIFT.value)
    last = c.scalar(bad)
    return max(begins, -(-own.end // own.slide) * own.slide, to_ms(last) if last else begins)


def _ends(c: sa.Connection, champion: Champion, stage: Stage, since: int) -> tuple[int, ...]:
    """Return the ends (ms) of the slices of all traffic in a stage since a moment that have rows."""
    return tuple(end for end, counts in newest_counts(c, champion, stage, since) if renewal.has_values(stage, counts))


def newest_counts(
    c: sa.Connection, champion: Champion, stage: Stage, since: int, segment: str = ""
) -> list[tuple[int, dict[str, list[int]]]]:
    """Return the end (ms) and the counts of each slice of a champion's stored windows after a moment, oldest first."""
    columns = sa.select(_T.window_end, _T.report["newest_slice"].label("newest"))
    mine = _mine(champion) & (_T.stage == stage.value) & (_T.segment == segment) & (_T.window_end > from_ms(since))
    rows = c.execute(columns.where(mine).order_by(_T.window_end))
    return [(to_ms(row.window_end), dict(row.newest or {})) for row in rows]


def segments(c: sa.Connection, champion: Champion) -> list[str]:
    """Return the segments of a champion's stored windows; all traffic is the empty name."""
    return list(c.scalars(sa.select(_T.segment).where(_mine(champion)).distinct().order_by(_T.segment)))


def judged_until(c: sa.Connection, champion: Champion) -> dict[Stage, datetime]:
    """Return the end of the newest stored window of a champion by stage."""
    newest = sa.select(_T.stage, sa.func.max(_T.window_end).label("end")).where(_mine(champion)).group_by(_T.stage)
    ends = {Stage(row.stage): row.end for row in c.execute(newest)}
    return {stage: ends[stage] for stage in Stage if stage in ends}


def as_slice(end: int, slide: int, segment: str, counts: Mapping[str, list[int]]) -> Slice:
    """Return the slice, *slide* ms long, that ends at a moment (ms)."""
    return Slice(start=end - slide, segment=segment, counts=dict(counts))


def _mine(champion: Champion) -> sa.ColumnElement[bool]:
    return (_T.model == champion.model) & (_T.version == champion.version) & _T.latest


def _obstacle(c: sa.Connection, model: str) -> str:
    """Return which incident is open; "" if none is."""
    numbers = [str(incident.id) for incident in lookups.open_incidents(c, model)]
    if len(numbers) < 2:
        return f"incident {numbers[0]} is open" if numbers else ""
    return f"incidents {', '.join(numbers)} are open"


def _length(c: sa.Connection, digest: str) -> BaselineLength:
    """Return how long a stored baseline is; read once a process, since it may be megabytes."""
    if digest not in _LENGTHS:
        _LENGTHS[digest] = renewal.length(lookups.baseline(c, digest))
    return _LENGTHS[digest]
