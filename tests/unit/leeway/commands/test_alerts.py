"""`leeway alerts`: deliveries, failures with reasons, and sending again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from alerts import retry
from alerts.config import Alerts
from alerts.delivery import Delivered
from features.errors import NotFound
from leeway import assembly, context
from leeway.commands import alerts
from registry import operations, outbox
from registry.records import Action
from tests.support.command_line import SMALL_PROJECT, document, invoke

NOW = datetime.now(timezone.utc)
ENDPOINT = """\
alerts:
  endpoints:
    - {name: ops, url: "http://127.0.0.1:9/hook", secret_env: LEEWAY_TEST_KEY_THAT_IS_NOT_SET}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with one endpoint, whose key is not set, and one message in the outbox."""
    (tmp_path / "leeway.yaml").write_text(SMALL_PROJECT + ENDPOINT)
    with context.open(tmp_path) as opened:
        operations.add_model(opened.registry, model="late", task="binary", now=NOW)
        operations.record_decision(
            opened.registry,
            model="late",
            incident_id=None,
            action=Action.NOTHING,
            because=["a test"],
            actor="me",
            now=NOW,
        )
    return tmp_path


def run(folder: Path, *words: str) -> Result:
    """Run `leeway alerts ...` in *folder*; any exit code."""
    return invoke(folder, "alerts", *words, code=None)


def listed(folder: Path, *words: str) -> list[dict[str, Any]]:
    """Return what `leeway alerts list --json` prints."""
    rows: list[dict[str, Any]] = document(folder, "alerts", "list", *words)
    return rows


def test_a_failed_delivery_is_told_and_listed_with_its_reason(folder: Path) -> None:
    """Exit code 1 and a pointer to the list; the list names the variable that is missing."""
    done = run(folder, "deliver")
    (row,) = listed(folder)

    assert 3 == done.exit_code
    assert "0 sent, 1 failed and will be retried, 0 given up" in done.stdout
    assert ("decision.made", "pending", 1) == (row["type"], row["state"], row["attempts"])
    assert "LEEWAY_TEST_KEY_THAT_IS_NOT_SET, is not set" in row["error"]


def test_nothing_due_is_no_failure(folder: Path) -> None:
    """A second call, before the retry is due, has nothing to do and succeeds."""
    run(folder, "deliver")

    done = run(folder, "deliver")

    assert (0, "0 sent, 0 failed and will be retried, 0 given up\n") == (done.exit_code, done.stdout)


def test_without_an_endpoint_it_says_where_to_add_one(folder: Path) -> None:
    """An outbox that nobody reads is not an error."""
    (folder / "leeway.yaml").write_text(SMALL_PROJECT)

    done = run(folder, "deliver")

    assert 0 == done.exit_code
    assert "alerts.endpoints" in done.stdout


def test_the_list_is_a_table_for_people(folder: Path) -> None:
    """State, attempts and the first line of the last error, without the hint."""
    run(folder, "deliver")

    shown = run(folder, "list").stdout

    assert {"decision.made", "ops", "pending"} <= set(shown.split())
    assert "hint:" not in shown


def test_the_list_is_cut_and_filtered(folder: Path) -> None:
    """The newest come last; state and endpoint choose."""
    run(folder, "deliver")

    assert [] == listed(folder, "--state", "dead")
    assert 1 == len(listed(folder, "--endpoint", "ops", "--limit", "1"))


def test_a_filter_that_nothing_can_match_is_an_error(folder: Path) -> None:
    """An empty list would say that nothing was given up."""
    run(folder, "deliver")
    assert 2 == run(folder, "list", "--state", "dad").exit_code
    with pytest.raises(NotFound, match="there is no alert endpoint 'pager'"):
        run(folder, "list", "--endpoint", "pager")
    assert [] == listed(folder, "--endpoint", "ops", "--state", "delivered")


def test_a_dead_delivery_is_replayed(folder: Path) -> None:
    """What was given up can be made due again by its id."""
    with context.open(folder) as opened:
        outbox.fan_out(opened.registry, {"ops": ["*"]}, now=NOW)
        (delivery,) = outbox.deliveries(opened.registry)
        outbox.mark(opened.registry, delivery, state="dead", status_code=410, error="gone", now=NOW)

    assert "leeway alerts replay" in run(folder, "list").stdout
    done = run(folder, "replay", str(delivery.id))

    assert 0 == done.exit_code
    assert ["pending"] == [row["state"] for row in listed(folder)]


def test_watching_goes_on_until_it_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--watch` delivers, waits, delivers; Ctrl-C ends it without a traceback."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)

    done = run(folder, "deliver", "--watch")

    assert (0, 3) == (done.exit_code, len(waits))
    assert 1 == done.stdout.count("will be retried")


def test_every_batch_is_sent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More messages than one batch holds are all sent by one command, and added up."""
    batches = [Delivered(sent=32), Delivered(sent=8, failed=1), Delivered()]
    monkeypatch.setattr(assembly, "send", lambda *_, **__: batches.pop(0))

    assert "40 sent, 1 failed and will be retried" in run(folder, "deliver").stdout


def test_the_shortest_retry_is_not_missed_by_the_watch() -> None:
    """The watch looks more often than the schedule's shortest wait."""
    assert timedelta(seconds=alerts.POLL_SECONDS) < retry.SCHEDULE[1]
    assert 8 == Alerts().attempts
