"""`leeway audit verify`, `export` and `accept`: output and exit codes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from features.errors import DataError, LeewayError, NotFound, ProjectError, RegistryError
from leeway import context
from registry import operations, outbox
from tests.support.command_line import SMALL_PROJECT, invoke
from tests.unit.leeway.commands import test_status

KEYED = SMALL_PROJECT + "audit: {key_env: AUDIT_KEY}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a project that has a champion."""
    made = tmp_path / "project"
    made.mkdir()
    (made / "leeway.yaml").write_text(SMALL_PROJECT)
    with context.open(made) as opened:
        test_status.begin(opened)
    return made


def audit(folder: Path, *words: str, code: int = 0, **environment: str) -> Result:
    """Run a command of `leeway audit`."""
    return invoke(folder, "audit", *words, code=code, **environment)


def tamper(folder: Path) -> None:
    """Let another version be champion, past the program."""
    with closing(sqlite3.connect(folder / ".leeway" / "leeway.db")) as db, db:
        db.execute("UPDATE champions SET version = 'v0', generation = 7")


def test_a_whole_registry_is_verified(folder: Path) -> None:
    """It says what was compared, and changes nothing."""
    before = (folder / ".leeway" / "audit-heads.jsonl").read_bytes()
    said = audit(folder, "verify").stdout
    assert "No finding" in said
    assert "signed heads" in said
    assert before == (folder / ".leeway" / "audit-heads.jsonl").read_bytes()
    assert {"findings": [], "notes": []} == {
        name: value for name, value in json.loads(audit(folder, "verify", "--json").stdout).items() if name != "numbers"
    }


def test_key_and_heads_are_their_owners_alone(folder: Path) -> None:
    """Who else is on the machine can neither sign nor read."""
    files = [folder / ".leeway" / name for name in ("audit-key", "audit-heads.jsonl")]
    assert [0o600, 0o600] == [path.stat().st_mode & 0o777 for path in files]


def test_a_finding_is_exit_code_1(folder: Path) -> None:
    """It names table, key, columns and the line of the log."""
    tamper(folder)
    said = audit(folder, "verify", code=1).stdout
    assert "finding: champions late is not what line 8 of the log has of it: generation, version differs" in said
    assert 1 == len(json.loads(audit(folder, "verify", "--json", code=1).stdout)["findings"])


def test_an_export_is_verified_anywhere(folder: Path, tmp_path: Path) -> None:
    """Without a project, a database, or the key; with the key, signatures too."""
    export, key = tmp_path / "export.jsonl", folder / ".leeway" / "audit-key"
    audit(folder, "export", str(export))
    nowhere = tmp_path / "nowhere"
    assert "note: signatures were not checked" in audit(nowhere, "verify", str(export)).stdout
    assert "note" not in audit(nowhere, "verify", str(export), "--key-file", str(key)).stdout
    assert "note" not in audit(nowhere, "verify", str(export), "--key-env", "KEY", KEY=key.read_text().strip()).stdout
    assert not nowhere.exists()
    tamper(folder)
    audit(folder, "export", str(export))
    assert "champions late is not what" in audit(nowhere, "verify", str(export), code=1).stdout
    assert (
        "signed with another key"
        in audit(nowhere, "verify", str(export), "--key-env", "KEY", code=1, KEY="k" * 40).stdout
    )


def test_what_receivers_have_is_compared(folder: Path, tmp_path: Path) -> None:
    """Bodies that they kept, one a line."""
    received = tmp_path / "received.jsonl"
    with context.open(folder) as opened:
        (message,) = outbox.messages(opened.registry)
    received.write_text(json.dumps({"type": message.type, "data": message.data}) + "\n")
    audit(folder, "verify", "--received", str(received))
    received.write_text(received.read_text().replace(message.data["audit"]["hash"], "0" * 64))
    said = audit(folder, "verify", "--received", str(received), code=1).stdout
    assert "is not the one that line 1 of received.jsonl names: the log was written anew" in said


def test_what_is_known_and_right_is_accepted(folder: Path) -> None:
    """Who, why and what did not fit are on record, and a note says so from then on."""
    tamper(folder)
    said = audit(folder, "accept", "--because", "ticket 7", "--actor", "ann").stdout
    assert "accepted: champions late is not what" in said
    said = audit(folder, "verify").stdout
    assert "note: ann accepted all rows as they were at line 9, with 1 findings: ticket 7" in said


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("verify", "nothing.jsonl"), DataError),
        (("verify", "leeway.yaml"), DataError),
        (("verify", "--received", "leeway.yaml"), DataError),
        (("verify", "export.jsonl", "--key-env", "NOT_SET"), ProjectError),
        (("verify", "export.jsonl", "--key-file", "nothing"), ProjectError),
        (("verify", "export.jsonl", "--key-file", "short"), RegistryError),
    ],
)
def test_what_cannot_be_checked_is_no_finding(
    folder: Path, words: tuple[str, ...], error: type[LeewayError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error, with another exit code: a wrong file says nothing about the log."""
    audit(folder, "export", str(folder / "export.jsonl"))
    (folder / "short").write_text("secret")
    monkeypatch.chdir(folder)
    with pytest.raises(error):
        audit(folder, *words)


def test_a_key_may_come_from_the_environment(tmp_path: Path) -> None:
    """Several machines that write to one registry sign with one key; without it no command begins."""
    (tmp_path / "leeway.yaml").write_text(KEYED)
    with pytest.raises(ProjectError, match="AUDIT_KEY, which is not set"):
        audit(tmp_path, "verify")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIT_KEY", "a shared and long enough secret")
        with context.open(tmp_path) as opened:
            test_status.begin(opened)
    assert not (tmp_path / ".leeway" / "audit-key").exists()
    audit(tmp_path, "verify", AUDIT_KEY="a shared and long enough secret")
    assert (
        "signed with another key" in audit(tmp_path, "verify", code=1, AUDIT_KEY="another and long enough one").stdout
    )


def test_a_key_that_cannot_be_read_is_no_reason_to_stop(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log goes on unsigned, with a warning, and the audit names its lines."""
    (folder / ".leeway" / "audit-key").write_text("short\n")
    with context.open(folder) as opened:
        operations.add_model(opened.registry, model="other", task="binary", now=test_status.NOW)
    assert "goes on unsigned" in caplog.text
    with pytest.raises(RegistryError, match="has 5 bytes"):
        audit(folder, "verify")


def test_there_is_nothing_to_audit_before_the_first_version(tmp_path: Path) -> None:
    """Which is said, with the commands that make one, and not found out by the database."""
    (tmp_path / "leeway.yaml").write_text(SMALL_PROJECT)
    with pytest.raises(NotFound, match="late has no champion"):
        audit(tmp_path)
