"""Tampering with a registry: each way in the table of docs/audit.md, with the finding that names it.

The forger here writes past the program, with the references between rows switched off; some have the key too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from registry import operations, outbox, queries
from registry.audit_log import chain, covered_rows, seals
from registry.connection import Registry
from registry.database import tables
from registry.database.columns import UtcDateTime
from registry.records import AuditEntry
from tests.support import registry_values as make
from tests.support.registry_forgeries import findings, forging, recompute, renamed

pytestmark = pytest.mark.tampering

DEEP = f"'{'[' * 9000}{']' * 9000}'"
LOG, HEAD = tables.audit_log, tables.audit_head


def other(value: Any) -> Any:
    """Return another value of the same kind, as little different as can be."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 40
    if isinstance(value, datetime):
        return value + timedelta(microseconds=1)
    return f"{value}x"[-36:] if isinstance(value, str) else [value]


@pytest.mark.parametrize("table", [table.name for table in covered_rows.covered()])
def test_an_edit_of_any_column_is_named(full: Registry, url: str, table: str) -> None:
    """Of every table, by table, key, column and the line of the log; put back, there is nothing to find."""
    edited = tables.metadata.tables[table]
    with full.read() as c:
        row = dict(c.execute(sa.select(edited)).mappings().first() or {})
    where = sa.and_(*(column == row[column.name] for column in edited.primary_key))
    name = covered_rows.row_name(
        table, covered_rows.key_label(tuple(row[column.name] for column in edited.primary_key))
    )
    changed = {c.name: _changed(c, row[c.name]) for c in edited.columns if not c.primary_key}
    changed = {column: value for column, value in changed.items() if column in covered_rows.columns(edited)}
    one_by_one = full.url.get_backend_name() == "sqlite"  # in memory; PostgreSQL takes them all at once
    for some in [{column: value} for column, value in changed.items()] if one_by_one else [changed]:
        with forging(url) as c:
            c.execute(edited.update().where(where).values(some))
        assert f"{name} is not what line" in findings(full)[0]
        assert f"of the log has of it: {', '.join(sorted(some))} differs" in findings(full)[0]
        with forging(url) as c:
            c.execute(edited.update().where(where).values({column: row[column] for column in some}))
    assert [] == findings(full)


def _changed(column: sa.Column[Any], value: Any) -> Any:
    if value is not None:
        return other(value)
    return make.NOW if isinstance(column.type, UtcDateTime) else 7 if isinstance(column.type, sa.Integer) else "x"


@pytest.mark.parametrize("table", [table.name for table in covered_rows.covered()])
def test_a_row_that_is_removed_or_renamed_is_named(full: Registry, url: str, table: str) -> None:
    """And one with another key is a row too many as well."""
    edited = tables.metadata.tables[table]
    key = next(iter(edited.primary_key))
    with full.read() as c:
        row = dict(c.execute(sa.select(edited)).mappings().first() or {})
    name = covered_rows.row_name(
        table, covered_rows.key_label(tuple(row[column.name] for column in edited.primary_key))
    )
    with forging(url) as c:
        c.execute(edited.delete().where(*(column == row[column.name] for column in edited.primary_key)))
    assert any(finding.startswith(f"{name} is gone: line") for finding in findings(full))
    moved = {**row, key.name: 999 if isinstance(row[key.name], int) else "z"}
    with forging(url) as c:
        c.execute(edited.insert().values(moved))
    new = covered_rows.row_name(
        table, covered_rows.key_label(tuple(moved[column.name] for column in edited.primary_key))
    )
    assert any(finding.startswith(f"{new} is in no line of the log") for finding in findings(full))


def _swap(c: sa.Connection) -> None:
    """Let two windows change places, but for their ids."""
    t = tables.window_reports
    one, two = c.execute(sa.select(t).order_by(t.c.id)).mappings().all()[1:3]
    c.execute(t.update().where(t.c.id == one["id"]).values(revision=99))
    c.execute(t.update().where(t.c.id == two["id"]).values({**one, "id": two["id"]}))
    c.execute(t.update().where(t.c.id == one["id"]).values({**two, "id": one["id"]}))


def _cut(c: sa.Connection, lines: int = 7) -> None:
    """Take the end of the log away, and move its end."""
    end = c.execute(sa.select(HEAD)).one().seq - lines
    c.execute(LOG.delete().where(LOG.c.seq > end))
    c.execute(HEAD.update().values(seq=end, hash=sa.select(LOG.c.hash).where(LOG.c.seq == end).scalar_subquery()))


def _undigested(line: AuditEntry) -> AuditEntry | None:
    return None if line.action in seals.ACTIONS else line


def key_of(c: sa.Connection) -> str:
    """Return the name of the key that the log's first signed line tells."""
    details = c.scalar(sa.select(LOG.c.details).where(LOG.c.action == seals.ROWS_WRITTEN).order_by(LOG.c.seq).limit(1))
    return str((details or {})["key"])


def digested(c: sa.Connection, table: sa.Table, key: tuple[Any, ...], line: AuditEntry) -> dict[str, Any]:
    """Return the details of a line that digests a forged row as the program would, but for the signature."""
    names = sorted(covered_rows.columns(table))
    ((label, digest),) = covered_rows.row_digests(c, table, names, [key])
    written = seals._written(digest, names)
    said = {"first": line.seq + 1, "part": 1, "key": key_of(c), "signature": "0" * 64}
    return {**said, "rows": {table.name: {"columns": names, "digests": {label: written}}}}


def _forge_on(c: sa.Connection) -> None:
    """Alter a row and add the line that would account for it, as the program does."""
    c.execute(tables.champions.update().values(version="v1"))
    last = chain.last(c)
    assert last is not None
    chain.append(
        c, chain.Line(last.at, "leeway", seals.ROWS_WRITTEN, "", "1 rows", digested(c, tables.champions, ("m",), last))
    )


def _append_plain(c: sa.Connection) -> None:
    chain.append(c, chain.Line(make.NOW, "ann", "incident.acknowledged", "m", "incident 1"))


def _no_text(c: sa.Connection) -> None:
    c.exec_driver_sql("UPDATE incidents SET evidence = CAST('{\"' AS TEXT)")


KINDS: dict[str, tuple[Callable[[sa.Connection], object], str]] = {
    "two rows swapped": (_swap, "window_reports 2 is not what line"),
    "tail cut and head moved": (_cut, "it was cut, or an older database was put in its place"),
    "tail cut": (lambda c: c.execute(LOG.delete().where(LOG.c.seq > 20)), "the log ends with line 20"),
    "log emptied": (lambda c: (c.execute(LOG.delete()), c.execute(HEAD.update().values(seq=0, hash=chain.GENESIS))),
                    "it was cut, or an older database"),
    "head moved": (lambda c: c.execute(HEAD.update().values(seq=3)), "the registry's last line was 3"),
    "head removed": (lambda c: c.execute(HEAD.delete()), "(audit_head) is gone"),
    "chain recomputed": (lambda c: recompute(c, renamed), "the log was written anew"),
    "chain recomputed, signatures": (lambda c: recompute(c, renamed), "are not signed by the key that they name"),
    "digest lines removed": (lambda c: recompute(c, _undigested), "no line of the log is signed"),
    "last digests removed": (lambda c: c.execute(LOG.delete().where(LOG.c.seq == 33)), "the log ends with line 32"),
    "row and its line forged": (_forge_on, "lines of the log are not signed by the key that they name: 34"),
    "line added": (_append_plain, "line 34 of the log: not from a transaction that ended with the digests of its rows"),
    "message's proof edited": (
        lambda c: c.execute(tables.messages.update().values(data={"audit": {"seq": 2, "hash": "0" * 64}})),
        "line 2 of the log is not the one that message",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_done_to_the_log_is_named(full: Registry, url: str, kind: str) -> None:
    """On either database, by who has all of it but not the key."""
    forge, said = KINDS[kind]
    with forging(url) as c:
        forge(c)
    assert any(said in finding for finding in findings(full)), findings(full)


def test_what_was_forged_stays_named_after_the_program_went_on(full: Registry, url: str) -> None:
    """Lines that were added by hand are not covered by those that the program writes after them."""
    with forging(url) as c:
        _append_plain(c)
        _forge_on(c)
    make.model(full, "another")
    found = "\n".join(findings(full))
    assert "line 34 of the log: not from a transaction" in found
    assert "lines of the log are not signed by the key that they name: 35" in found


def test_the_database_holds_no_two_lines_after_one(full: Registry, url: str) -> None:
    """It refuses a fork and a copy; where its rules are taken away, the audit names what they would have refused."""
    fork = queries.audit_log(full)[4].model_copy(update={"seq": 1000, "hash": "1" * 64})
    for copy in (fork, fork.model_copy(update={"previous": "2" * 64, "hash": queries.audit_log(full)[4].hash})):
        with pytest.raises(sa.exc.IntegrityError), forging(url) as c:
            c.execute(LOG.insert().values(copy.model_dump()))
    bare = sa.Table("audit_log", sa.MetaData(), *(sa.Column(k.name, k.type) for k in LOG.columns))
    with forging(url) as c:
        held = c.execute(sa.select(LOG)).mappings().all()
        c.exec_driver_sql("DROP TABLE audit_log" + (" CASCADE" if c.dialect.name == "postgresql" else ""))
        bare.create(c)
        c.execute(bare.insert(), [*map(dict, held), fork.model_dump(), {**held[6]}])
    found = "\n".join(findings(full))
    assert "line 1000 follows line 33" in found
    assert "line 7 follows" in found


def test_json_may_be_written_in_another_way(full: Registry, url: str) -> None:
    """Spaces and the order of keys are no content: a dump and its restore may change them."""
    if full.url.get_backend_name() != "sqlite":
        pytest.skip("PostgreSQL keeps JSON as values, so that there is nothing to change")
    with forging(url) as c:
        for number, text in c.exec_driver_sql("SELECT id, report FROM window_reports").all():
            new = json.dumps(dict(reversed(json.loads(text).items())), indent=2)
            c.exec_driver_sql("UPDATE window_reports SET report = ? WHERE id = ?", (new, number))
    assert [] == findings(full)


@pytest.mark.parametrize(
    "value", ["CAST('{' AS TEXT)", "x'ff00'", "CAST(x'ff' AS TEXT)", "'2013-99-99'", "''", "9e999", "'[NaN]'", DEEP]
)
def test_values_that_cannot_be_read_are_named(full: Registry, url: str, value: str) -> None:
    """Text that is no JSON, no date or no text at all: no traceback, and the row and its columns by name."""
    if full.url.get_backend_name() != "sqlite":
        pytest.skip("PostgreSQL's columns hold nothing but what they are of")
    with forging(url) as c:
        c.exec_driver_sql(f"UPDATE incidents SET evidence = {value}, opened_at = {value}")
        c.exec_driver_sql(f"UPDATE messages SET data = {value} WHERE seq = 5")
        c.exec_driver_sql(f"UPDATE audit_log SET details = {value}, at = {value} WHERE seq = 12")
    found = "\n".join(findings(full))
    assert "incidents 1 is not what line" in found
    assert "evidence, opened_at differs" in found
    assert "line 12" in found


def test_a_table_or_column_that_is_gone_is_named(full: Registry, url: str) -> None:
    """Nor does that end in a traceback."""
    with forging(url) as c:
        c.exec_driver_sql("DROP TABLE checks")
        c.exec_driver_sql("ALTER TABLE deliveries RENAME COLUMN error TO mistake")
    found = "\n".join(findings(full))
    assert "table checks cannot be read" in found
    assert "table deliveries cannot be read" in found


def test_leases_are_bookkeeping(full: Registry) -> None:
    """A lease that runs out leaves no trace; the attempt that it was for does."""
    ((delivery, _), *_) = outbox.claim(full, now=make.NOW, limit=1, lease=make.DAY)
    assert [] == findings(full)
    with full.write() as c:
        c.execute(tables.deliveries.update().values(leased_until=None))
    assert [] == findings(full)
    with full.write() as c:
        c.execute(tables.deliveries.update().where(tables.deliveries.c.id == delivery.id).values(attempts=0))
    assert "attempts differs" in findings(full)[0]


def test_what_somebody_accepted_is_on_record(full: Registry, url: str) -> None:
    """A repair by hand is a finding until then, and its finding is in the log from then on."""
    with forging(url) as c:
        c.execute(tables.incidents.update().values(resolution="mended by hand"))
        c.execute(tables.checks.delete())
    found = findings(full)
    assert 2 == len(found)
    operations.accept(full, because="ticket 7", actor="ann", now=make.NOW)
    line = queries.audit_log(full)[-1]
    assert ("ann", "ticket 7", found) == (line.actor, line.details["because"], line.details["differed"])
    assert [] == findings(full)
    with forging(url) as c:
        c.execute(tables.incidents.update().values(resolution="again"))
    assert ["incidents 1 is not what line 34 of the log has of it: resolution differs"] == findings(full)
