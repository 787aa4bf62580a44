"""Hash chain of the audit log: any later change of a line is detected."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta, timezone

import pytest
import sqlalchemy as sa

from features.errors import RegistryError
from registry import outbox, queries
from registry.audit_log import chain
from registry.connection import Registry
from registry.database import tables
from registry.records import AuditEntry
from tests.support import audit_chain
from tests.support import registry_values as make

pytestmark = pytest.mark.tampering  # lines alone, without the rows that a transaction ends with

LOG = tables.audit_log
LINES = 5


@pytest.fixture
def log(reg: Registry) -> list[AuditEntry]:
    """Return a log of five lines, written one a transaction."""
    for n in range(LINES):
        with reg.write() as c:
            details: dict[str, chain.Detail] = {"n": n, "because": ("é", "2"), "none": None}
            chain.append(c, chain.Line(make.NOW + n * make.DAY, "ann", "test.done", "m", f"thing {n}", details))
    return queries.audit_log(reg)


def test_an_untouched_log_is_whole(reg: Registry, log: list[AuditEntry]) -> None:
    """Numbers run from 1 without gaps, each line names the hash before it, and nothing is found."""
    assert list(range(1, LINES + 1)) == [entry.seq for entry in log]
    assert [chain.GENESIS, *(e.hash for e in log)][:-1] == [e.previous for e in log]
    assert [] == audit_chain.verify(reg)
    assert log[2:] == queries.audit_log(reg, since=2)


def test_an_empty_log_is_whole(reg: Registry) -> None:
    """The first hash is a constant, so that an empty log can be told from an emptied one."""
    assert [] == audit_chain.verify(reg)


CHANGES: dict[str, object] = {
    "at": make.NOW - make.DAY,
    "actor": "bob",
    "action": "test.undone",
    "model": "other",
    "subject": "another thing",
    "details": {},
    "previous": "0" * 64,
    "hash": "0" * 64,
}


@pytest.mark.parametrize("seq", range(1, LINES + 1))
@pytest.mark.parametrize("field", CHANGES)
def test_an_altered_line_is_found(reg: Registry, log: list[AuditEntry], seq: int, field: str) -> None:
    """Whichever line and field is edited in the database, the log is no longer whole."""
    with reg.write() as c:
        c.execute(LOG.update().where(LOG.c.seq == seq).values({field: CHANGES[field]}))
    findings = audit_chain.verify(reg)
    assert any(f"line {seq}" in finding for finding in findings)


def test_every_column_is_covered(log: list[AuditEntry]) -> None:
    """A new column of the log must join the test above."""
    assert {"seq", *CHANGES} == {column.name for column in LOG.columns} == set(AuditEntry.model_fields)


@pytest.mark.parametrize("seq", range(1, LINES + 1))
def test_a_removed_line_is_found(reg: Registry, log: list[AuditEntry], seq: int) -> None:
    """A gap is found wherever it is, the end included."""
    with reg.write() as c:
        c.execute(LOG.delete().where(LOG.c.seq == seq))
    (finding, *_) = audit_chain.verify(reg)
    assert (f"line {seq} is missing" if seq < LINES else "the log ends with line 4") in finding


@pytest.mark.parametrize("seq", range(2, LINES + 1))
def test_a_rewritten_history_needs_every_later_line(reg: Registry, log: list[AuditEntry], seq: int) -> None:
    """A line altered together with its own hash no longer fits the line after it, or the end of the log."""
    forged = log[seq - 1].model_copy(update={"actor": "bob"})
    own = chain.line_hash(forged.previous, forged.model_dump(exclude={"previous", "hash"}))
    with reg.write() as c:
        c.execute(LOG.update().where(LOG.c.seq == seq).values(actor="bob", hash=own))
    assert 1 == len(audit_chain.verify(reg))


def test_an_inserted_line_is_found(reg: Registry, log: list[AuditEntry]) -> None:
    """A line added by hand at the end is past the end that the registry knows."""
    forged = log[-1].model_copy(update={"seq": LINES + 1, "previous": log[-1].hash, "hash": ""})
    own = chain.line_hash(forged.previous, forged.model_dump(exclude={"previous", "hash"}))
    with reg.write() as c:
        c.execute(LOG.insert().values(forged.model_copy(update={"hash": own}).model_dump()))
    assert ["the log ends with line 6; the registry's last line was 5"] == audit_chain.verify(reg)


def test_an_exported_log_needs_no_database(log: list[AuditEntry]) -> None:
    """Lines written as JSON and read back verify as they are."""
    read = [AuditEntry.model_validate_json(entry.model_dump_json()) for entry in log]
    assert [] == chain.verify(read, seq=LINES, head=log[-1].hash)


def test_writers_at_the_same_moment_leave_no_gap(reg: Registry) -> None:
    """Eight threads write five lines each: forty lines, one chain."""

    def write(worker: int) -> None:
        for n in range(5):
            with reg.write() as c:
                chain.append(c, chain.Line(make.NOW, f"worker {worker}", "test.done", "m", str(n)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert [] == audit_chain.verify(reg)
    assert 40 == len(queries.audit_log(reg))


def test_a_transaction_that_fails_leaves_no_line(reg: Registry, log: list[AuditEntry]) -> None:
    """The number is not used up either."""

    def fail() -> None:
        with reg.write() as c:
            chain.append(c, chain.Line(make.NOW, "ann", "test.done", "m", "thing"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert log == queries.audit_log(reg)
    assert [] == audit_chain.verify(reg)


def test_the_same_moment_in_another_zone_has_the_same_hash() -> None:
    """A line says which moment, not in whose zone it was written."""
    content = {"at": make.NOW, "action": "test.done"}
    there = {**content, "at": make.NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))}
    assert chain.line_hash(chain.GENESIS, content) == chain.line_hash(chain.GENESIS, there)


def test_a_line_needs_a_time_zone() -> None:
    """A naive time would be hashed as another moment on another machine."""
    with pytest.raises(RegistryError, match="has no time zone"):
        chain.Line(make.NOW.replace(tzinfo=None), "ann", "test.done", "m", "thing")


def test_every_message_carries_its_line(reg: Registry) -> None:
    """Who was told holds the number and hash of the line, and can say later if the log was rewritten."""
    make.champion(reg)
    (message,) = outbox.messages(reg)
    line = next(e for e in queries.audit_log(reg) if e.action == "model.promoted")
    assert {"seq": line.seq, "hash": line.hash} == message.data["audit"]


def test_a_message_is_told_once(reg: Registry) -> None:
    """Its id is derived from its line, so the database refuses a second one."""
    make.model(reg)
    with reg.write() as c:
        entry = chain.append(c, chain.Line(make.NOW, "ann", "test.done", "m", "thing"))
        outbox.add_message(c, entry, {})
    with pytest.raises(RegistryError, match="refuses"), reg.write() as c:
        outbox.add_message(c, entry, {})
    with reg.read() as c:
        assert 1 == c.scalar(sa.select(sa.func.count()).select_from(tables.messages))
