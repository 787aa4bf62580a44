"""Digests of rows: equal for equal values on all databases."""

from __future__ import annotations

import json
import re
from datetime import timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitors.finding import Signal, Stage, Verdict
from monitors.signals import Severity
from registry import audit_export
from registry.audit_log import chain, covered_rows, digests, verification
from registry.audit_log.digests import RowDigest
from registry.connection import Registry
from registry.database import columns, mapping, tables
from registry.records import Action, IncidentState
from tests.support import registry_values as make
from tests.support.example_counts import examples

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("word", [*Signal, *Stage, *Verdict, *Severity, *IncidentState, *Action])
def test_an_enumeration_is_digested_as_its_value(word: Enum) -> None:
    """Records hold enumerations where rows and the log hold text: the digests of old rows stay as they are."""
    assert digests.canonical({"word": word.value}) == digests.canonical({"word": word})


@given(values)
def test_json_text_is_read_back_to_the_same(value: Any) -> None:
    """A value that went through JSON, in any order of keys and with any spaces, is digested alike."""
    backwards = json.dumps(json.loads(json.dumps(value), object_pairs_hook=lambda p: dict(reversed(p))), indent=3)
    assert digests.canonical(value) == digests.canonical(json.loads(backwards))


@pytest.mark.tampering  # lines alone
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(40), deadline=None)
@given(st.dictionaries(texts, values, max_size=4), texts, st.datetimes(min_value=make.NOW.replace(tzinfo=None)))
def test_a_database_gives_back_what_is_digested(reg: Registry, detail: dict[str, Any], text: str, at: Any) -> None:
    """Text, times and JSON: the digest of what is read back is that of what was written, on either database."""
    moment = at.replace(tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with reg.write() as c:
        entry = chain.append(c, chain.Line(moment, text, "test", "m", text, {"said": detail}))
        (read,) = mapping.fetch(c, type(entry), mapping.select(type(entry), tables.audit_log.c.seq == entry.seq))
    assert entry.hash == chain.hash_of(read)
    said = {"at": moment, "actor": text, "details": {"said": detail}}
    stored = {"at": read.at, "actor": read.actor, "details": read.details}
    assert digests.row_digest("t", said) == digests.row_digest("t", stored)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, "1"), (0.1, 0.2), ("é", "e\u0301"), (None, "null"), ([], {}), ({"a": 1}, {"a": 2})],
)
def test_other_values_have_other_digests(one: object, other: object) -> None:
    """Also where they look alike; and the column is named."""
    first, second = (digests.row_digest("t", {"id": 1, "x": value}) for value in (one, other))
    assert ["x"] == first.differs_from(second)


def test_a_row_of_another_table_is_another_row() -> None:
    """A row may not be moved to a table with the same columns."""
    one, other = (digests.row_digest(table, {"id": 1}) for table in ("a", "b"))
    assert one.sha256 != other.sha256


def test_every_table_is_covered_or_exempt_for_a_reason() -> None:
    """A new table is digested by being there; one that is not to be needs a sentence in `state.EXEMPT_TABLES`."""
    names = {table.name for table in tables.metadata.sorted_tables}
    assert names == {t.name for t in covered_rows.covered()} | covered_rows.EXEMPT_TABLES.keys()
    assert {"audit_log", "audit_head", "compatibility"} == covered_rows.EXEMPT_TABLES.keys()
    assert all(len(reason) > 40 for reason in covered_rows.EXEMPT_TABLES.values())
    for table, some in covered_rows.EXEMPT_COLUMNS.items():
        assert some.keys() <= {column.name for column in tables.metadata.tables[table].columns}
        assert all(len(reason) > 40 for reason in some.values())


def test_a_table_that_is_added_is_digested(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but its place in the metadata is needed: what is written to it by `rows` is in the log."""
    more = sa.MetaData()
    notes = sa.Table("notes", more, sa.Column("id", sa.Integer, primary_key=True), columns.json("said"))
    monkeypatch.setattr(tables, "metadata", more)
    with reg.write(make.NOW) as c:
        more.create_all(c)
        mapping.insert(c, notes, said={"a": 1.5})
    assert [] == verification.verify(audit_export.collect(reg))
    with reg.write(make.NOW) as c:
        mapping.update(c, notes, said={"a": 2})
    assert [] == verification.verify(audit_export.collect(reg))
    with reg.write(make.NOW) as c:
        c.execute(sa.update(notes).values(said={"a": 3}))
    assert ["notes 1 is not what line 2 of the log has of it: said differs"] == verification.verify(
        audit_export.collect(reg)
    )


def test_rows_are_written_through_one_door() -> None:
    """A write past `mapping.insert` and `mapping.update` would be taken for somebody's hand: write with them."""
    past = re.compile(r"\.(insert|update|delete)\(\)|sa\.(insert|update|delete)\(")
    found = {
        path.name
        for path in Path(mapping.__file__).parents[1].rglob("*.py")
        if "versions" not in path.parts and past.search(path.read_text())
    }
    assert {"mapping.py", "chain.py"} == found


def test_a_row_digest_names_no_column_where_none_differs() -> None:
    """Equal rows have no differences."""
    one = digests.row_digest("t", {"id": 1})
    assert [] == one.differs_from(RowDigest(one.sha256, {}))


def test_usual_numbers_need_no_second_look() -> None:
    """Most reports hold small negative fractions; only minus zero and exponents are written in another way."""
    assert "[-0.01,-0.00025,[0.0,100000000000000000]]" == digests.canonical([-0.01, -0.00025, [-0.0, 1e17]])
