"""A response to an incident, step by step: revised decision, held retrain, promotion, watch and rollback.

It goes on from :mod:`tests.support.incident_world`: incident 1 is drift of x, incident 2 a higher loss, both of v1.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from features.window import to_ms
from registry import operations, queries
from registry.audit_log import chain
from registry.connection import Registry
from registry.records import (
    APPROVAL,
    Action,
    Check,
    CheckResult,
    ComparedSlice,
    Comparison,
    ComparisonKind,
    Promotion,
    RunState,
    Version,
)
from tests.support import incident_world as world

DAY = world.DAY
DRIFTED = world.START + 4 * DAY
SLICES = 10
ROWS = 50
LOSS = 0.5
CHECKS = (
    Check(name="data", result=CheckResult.PASS, got="1200 rows (sha256 0123456789abcdef), 0 unusable labels, "
          "0 unreadable records; the rows since the change point", want="to be on record", version="v2"),
    Check(name="loss", result=CheckResult.HOLD, got="mean loss 0.4600 against 0.5000", want="evidence of 20",
          version="v2", numbers={"alpha": 0.05}),
)  # fmt: skip


def slices(since: datetime, difference: float) -> tuple[ComparedSlice, ...]:
    """Return ten daily slices of 50 rows, whose mean loss is 0.5 and whose mean difference is *difference*."""
    return tuple(
        ComparedSlice(start=to_ms(since + i * DAY), rows=ROWS, difference=ROWS * difference, loss=ROWS * LOSS)
        for i in range(SLICES)
    )


def comparison(number: int, difference: float, result: CheckResult, *, since: datetime, **of: int) -> Comparison:
    """Return look *number* at v2 against v1, of a trial (*run_id*) or of a watch (*promotion_id*)."""
    kind = ComparisonKind.TRIAL if "run_id" in of else ComparisonKind.WATCH
    evidence = {CheckResult.PASS: (25.0, 0.1), CheckResult.HOLD: (3.2, 0.1), CheckResult.FAIL: (0.1, 25.0)}[result]
    numbers = {"mean": difference, "low": difference - 0.02, "high": difference + 0.02, "alpha": 0.05,
               "better": evidence[0], "worse": evidence[1]}  # fmt: skip
    return Comparison(
        id=0, model="late", kind=kind, series="watch", candidate="v2", reference="v1", look=number, result=result,
        until=since + SLICES * DAY, reason=f"difference of losses {difference:+.4f}", slices=slices(since, difference),
        numbers=numbers, made_at=since + SLICES * DAY, **of,
    )  # fmt: skip


def held(reg: Registry) -> int:
    """Decide to do nothing about incident 1, then to retrain; hold the run after 90 s, and return its number."""
    world.begin(reg)
    world.drift(reg)
    first = operations.record_decision(reg, model="late", incident_id=1, action=Action.NOTHING,
                                       because=("too few labels",), actor=chain.SYSTEM, now=DRIFTED)  # fmt: skip
    second = operations.record_decision(
        reg, model="late", incident_id=1, action=Action.RETRAIN, because=("x drifted in 3 windows", "1200 rows"),
        actor=chain.SYSTEM, now=DRIFTED + DAY, revises=first.id,
    )  # fmt: skip
    now = DRIFTED + DAY
    run = operations.start_run(reg, decision_id=second.id, as_of=DRIFTED, flow_run=None, now=now)
    operations.add_version(reg, Version(
        model="late", version="v2", mode="static", rows=1200, trained_from=DRIFTED - 30 * DAY, trained_until=DRIFTED,
        created_at=now,
    ))  # fmt: skip
    operations.store_baseline(reg, world.baseline().model_copy(update={"version": "v2"}), now=now)
    operations.record_checks(reg, run.id, CHECKS, now=now)
    operations.record_look(reg, comparison(1, -0.04, CheckResult.HOLD, since=DRIFTED - 10 * DAY, run_id=run.id))
    reason = "v2 (static challenger) is neither better nor worse yet"
    operations.hold_run(reg, run.id, challenger="v2", reason=reason, now=now + timedelta(seconds=90))
    return run.id


def awaiting(reg: Registry) -> int:
    """Let the trial of the held run pass where approval is asked for, a day after; return the number of the run."""
    run = held(reg)
    operations.record_look(reg, comparison(2, -0.06, CheckResult.PASS, since=DRIFTED, run_id=run))
    reason = f"{APPROVAL}: v2 in shadow against v1: better"
    operations.hold_run(reg, run, challenger="v2", reason=reason, now=DRIFTED + 2 * DAY)
    return run


def promoted(reg: Registry) -> Promotion:
    """Let the trial of the held run pass with its second look, and return the promotion of v2."""
    run = held(reg)
    operations.record_look(reg, comparison(2, -0.06, CheckResult.PASS, since=DRIFTED, run_id=run))
    return operations.promote(
        reg, model="late", version="v2", expected_generation=1, run_id=run, effective_at=DRIFTED + 10 * DAY,
        actor=chain.SYSTEM, reason="v2 in shadow against v1: better", now=DRIFTED + 11 * DAY,
    )  # fmt: skip


def watched(reg: Registry, *results: CheckResult, difference: float = -0.06) -> Promotion:
    """Promote v2, and look at its watch once for each of *results*, ten slices each."""
    promotion = promoted(reg)
    for i, result in enumerate(results):
        since = promotion.effective_at + i * SLICES * DAY
        operations.record_look(reg, comparison(i + 1, difference, result, since=since, promotion_id=promotion.id))
    return promotion


def rolled_back(reg: Registry) -> Promotion:
    """Promote v2, find it worse, and put v1 back, as the system does; return the rollback."""
    promotion = watched(reg, CheckResult.FAIL, difference=0.05)
    now = promotion.effective_at + 11 * DAY
    decision = operations.record_decision(reg, model="late", incident_id=None, action=Action.ROLL_BACK,
                                          because=("v2 against v1: worse",), actor=chain.SYSTEM, now=now)  # fmt: skip
    return operations.rollback(
        reg, model="late", expected_generation=promotion.generation, to_version="v1", decision_id=decision.id,
        actor=chain.SYSTEM, reason="v2 against v1: worse", effective_at=now, now=now,
    )  # fmt: skip


def rejected(reg: Registry) -> None:
    """End the trial of the held run without a result."""
    run = held(reg)
    operations.finish_run(reg, run, state=RunState.REJECTED, reason="neither better nor worse within 90 slices",
                          now=queries.run(reg, run).started_at + 90 * DAY)  # fmt: skip
