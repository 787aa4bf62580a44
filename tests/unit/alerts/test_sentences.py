"""Alerts in plain sentences: each message of the outbox as the registry's own operations write it."""

from __future__ import annotations

from pathlib import Path

from alerts import sentences
from alerts.config import EVENTS
from registry import outbox
from registry.connection import Registry
from registry.records import Message
from tests.support import response_world as world


def test_each_message_of_a_response_is_a_sentence(tmp_path: Path) -> None:
    """From the first incident over a revised decision and a held run to the rollback by the system."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as reg:
        world.rolled_back(reg)
        sent = outbox.messages(reg, "late")
    texts = [sentences.sentence(message) for message in sent]

    assert {m.type for m in sent} <= set(EVENTS)
    expected = [
        "late: v1 became champion by ann: first",
        "late: critical performance drift in loss of v1, incident 2, was opened, in windows since 2024-03-05: far; "
        "`leeway why 2` explains it",
        "late: decided about incident 1: no action: too few labels",
        "late: decided about incident 1, revision 2: retrain: x drifted in 3 windows; 1200 rows",
        "late: run 1 is held, v2 answers in shadow until labels decide: v2 (static challenger) is neither better nor "
        "worse yet",
        "late: critical performance drift in loss of v1, incident 2, is resolved: baseline replaced by v2",
        "late: v2 became champion after v1 automatically: v2 in shadow against v1: better",
        "late: decided: roll back: v2 against v1: worse",
        "late: v2 was rolled back automatically, v1 and its baseline serve again: v2 against v1: worse",
    ]
    plans = [text.split("; baseline of ")[1] for text in texts if "; baseline of " in text]
    assert expected == [found for text in texts if (found := text.split("; baseline of ")[0]) in expected]
    assert all("slices that the false-alarm guarantee needs" in plan for plan in plans)
    assert 2 == len(plans)


def test_a_promotion_that_needs_approval_asks_the_reader(tmp_path: Path) -> None:
    """It says that the gate was passed, and what answers it."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as reg:
        world.awaiting(reg)
        texts = [sentences.sentence(m) for m in outbox.messages(reg, "late", type="retrain.held")]
    expected = (
        "late: run 1 is held, v2 passed the gate; waits for approval: v2 in shadow against v1: better; "
        "`leeway promote` approves it, `leeway refuse` refuses it"
    )
    assert expected == texts[-1]


def test_other_messages_are_sentences_too() -> None:
    """Failed and rejected runs, audits, and what has no record."""
    made = {
        "retrain.failed": {"run": {"id": 1, "reason": "no rows"}},
        "retrain.rejected": {"run": {"id": 2, "reason": "worse"}},
        "audit.finished": {"result": {"id": 3, "passed": False, "findings": ["a", "b"]}},
        "other": {"id": 4},
    }
    texts = [
        sentences.sentence(Message(id="1", type=kind, model="m", data=data, created_at=world.DRIFTED))
        for kind, data in made.items()
    ]

    assert [
        "m: run 1 failed: no rows", "m: run 2 promoted nothing: worse", "m: audit 3 has findings: a; b", "m: other",
    ] == texts  # fmt: skip
