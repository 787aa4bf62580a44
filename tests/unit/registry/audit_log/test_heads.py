"""Signed heads of the audit log: changes to them are detected, and what they prove of the log."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from features.errors import RegistryError
from registry import audit_export, operations, outbox
from registry.audit_log import seals, verification
from registry.audit_log.heads import Heads
from registry.connection import Registry
from registry.database import tables
from tests.support import registry_values as make
from tests.support.registry_forgeries import findings, forging, recompute, renamed

pytestmark = pytest.mark.tampering


def _lines(heads: Heads) -> list[str]:
    return heads.path.read_text().splitlines()


def _keep(heads: Heads, lines: list[str]) -> None:
    heads.path.write_text("".join(f"{line}\n" for line in lines))


FILES: dict[str, tuple[Callable[[Heads], object], str]] = {
    "gone": (lambda h: h.path.unlink(), "the file of signed heads is gone: the log is signed from line 2 on"),
    "shorter": (lambda h: _keep(h, _lines(h)[:-2]), "2 transactions came after it: the file is shorter than it was"),
    "without its beginning": (lambda h: _keep(h, _lines(h)[3:]), "begins with entry 4: what came before was cut off"),
    "without its middle": (lambda h: _keep(h, _lines(h)[:3] + _lines(h)[5:]), "entry 6 of the file of signed heads"),
    "altered": (lambda h: _keep(h, [_lines(h)[0][:-70], *_lines(h)[1:]]), "no entries"),
    "of another line": (
        lambda h: _keep(h, [_lines(h)[0].replace('"seq":2', '"seq":1'), *_lines(h)[1:]]), "not signed with this key: 1",
    ),
    "key gone": (lambda h: h.key_path.unlink(), "the key that signed the log (from line 2 on) is gone"),
    "another key": (lambda h: h.key_path.write_text("k" * 40), "lines of the log are signed with another key"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_what_is_done_to_the_signed_heads_is_named(full: Registry, kind: str) -> None:
    """By who can write the state folder."""
    forge, said = FILES[kind]
    forge(full.heads)
    assert any(said in finding for finding in findings(full)), findings(full)


def test_a_file_that_was_thrown_away_stays_missing(full: Registry) -> None:
    """The program begins another, which begins too late."""
    full.heads.path.unlink()
    make.rollback(full, 2)
    make.rollback(full, 3, to="v2")
    assert any("begins with line" in finding for finding in findings(full))


def test_a_program_that_dies_after_its_write_leaves_nothing_to_find(full: Registry) -> None:
    """The transaction is on record and its head is not; the next head covers it."""
    _keep(full.heads, _lines(full.heads)[:-1])
    assert [] == findings(full)
    make.rollback(full, 2)
    assert [] == findings(full)


def test_an_older_database_in_its_place_is_named(full: Registry, tmp_path: Path) -> None:
    """A backup that was put back is whole in itself; the heads that were signed since tell."""
    if full.url.get_backend_name() != "sqlite":
        pytest.skip("a file is copied")
    before = tmp_path / "before.db"
    with closing(sqlite3.connect(str(full.url.database))) as source, closing(sqlite3.connect(before)) as target:
        source.backup(target)
    make.rollback(full, 2)
    with Registry.open(f"sqlite:///{before}", tmp_path / "artifacts") as old:
        (finding,) = findings(old)
        assert "it was cut, or an older database was put in its place" in finding
        operations.accept(old, because="the backup of Monday", actor="ann", now=make.NOW)
        assert [] == findings(old)
        assert ["ann accepted all rows as they were at line 34, with 1 findings: the backup of Monday"] == (
            verification.notes(audit_export.collect(old))
        )
    aside = list(tmp_path.glob("audit-heads-until-*.jsonl"))
    assert 1 == len(aside)


def test_an_entry_that_waits_while_the_file_is_archived_goes_into_the_new_one(
    full: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It follows the inventory of all rows, with which the new file must begin."""
    lock = fcntl.flock

    def late(file: IO[bytes], mode: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        operations.accept(full, because="a repair", actor="ann", now=make.NOW)
        lock(file, mode)

    monkeypatch.setattr(fcntl, "flock", late)
    make.rollback(full, 2)
    assert [1, 2] == [json.loads(line)["n"] for line in _lines(full.heads)]
    assert [] == findings(full)


def test_entries_are_on_the_disk_when_the_transaction_is(full: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system still held in memory would look cut off after a power cut; so would the file that begins anew."""
    synced, sync = list[tuple[int, int]](), os.fsync

    def noted(file: int) -> None:
        sync(file)
        synced.append((os.fstat(file).st_ino, os.fstat(file).st_size))

    monkeypatch.setattr(os, "fsync", noted)
    for write in (
        lambda: make.rollback(full, 2),
        lambda: operations.accept(full, because="x", actor="a", now=make.NOW),
    ):
        write()
        assert (full.heads.path.stat().st_ino, full.heads.path.stat().st_size) == synced[-1]


def test_a_key_that_others_may_read_signs_nothing(full: Registry, caplog: pytest.LogCaptureFixture) -> None:
    """Who has it could sign what they forged: the log goes on unsigned, with a warning, and an audit says why."""
    full.heads.key_path.chmod(0o640)
    make.rollback(full, 2)
    assert "goes on unsigned" in caplog.text
    with pytest.raises(RegistryError, match=r"others than its owner[\s\S]*hint: .*chmod 600 .*audit-key"):
        audit_export.collect(full)
    full.heads.key_path.chmod(0o600)
    assert any("unsigned" in finding or "not signed" in finding for finding in findings(full)), findings(full)


def test_who_has_the_key_too_is_named_by_the_receivers(full: Registry, url: str, tmp_path: Path) -> None:
    """With database, key and files nothing here differs; what was sent cannot be called back."""
    kept = tmp_path / "received.jsonl"
    kept.write_text("".join(json.dumps({"type": m.type, "data": m.data}) + "\n" for m in outbox.messages(full)))
    signer = full.heads.signer()
    assert signer is not None
    with forging(url) as c:
        made = recompute(c, renamed, signer.sign)
        c.execute(tables.messages.delete())
        c.execute(tables.deliveries.delete())
    full.heads.path.unlink()
    for line in made:
        if line.action in seals.ACTIONS:
            full.heads.add(line, signer)
    operations.accept(full, because="nothing to see", actor="bob", now=make.NOW)
    assert [] == findings(full)
    found = audit_export.collect(full)
    anchors = [*found.anchors, *audit_export.anchors(kept)]
    (finding,) = verification.verify(replace(found, anchors=anchors))
    assert "is not the one that line 1 of received.jsonl names" in finding
    assert "the log was written anew" in finding
