"""Database connections: many readers, one writer, and Leeway's own errors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from features.errors import Outage, RegistryAway, RegistryError
from registry import queries
from registry.connection import Registry
from registry.database import mapping, migrate, tables
from registry.database.errors import translated_errors
from registry.incidents import ingest
from registry.records import Record
from registry.records.comparisons import ComparedSlice
from tests.support import audit_chain
from tests.support import registry_values as make


def test_a_new_registry_is_made_by_opening_it(tmp_path: Path) -> None:
    """Folders included; opening again finds what was written."""
    url = f"sqlite:///{tmp_path / 'a' / 'b' / 'leeway.db'}"
    with Registry.open(url, tmp_path) as reg:
        make.champion(reg)
        assert migrate.head() == reg.schema_version()
    with Registry.open(url, tmp_path) as reg:
        assert ["m"] == queries.models(reg)


def test_openers_at_the_same_moment_make_one_registry(bare_url: str, tmp_path: Path) -> None:
    """Eight programs find no registry; all end up with the same whole one."""
    start = threading.Barrier(8)

    def begin(worker: int) -> None:
        start.wait()
        with Registry.open(bare_url, tmp_path) as reg:
            make.champion(reg, of=f"model-{worker}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin, range(8)))
    with Registry.open(bare_url, tmp_path) as reg:
        assert 8 == len(queries.models(reg))
        assert [] == audit_chain.verify(reg)


def test_writers_at_the_same_moment_wait_their_turn(reg: Registry) -> None:
    """Eight threads with moves of every kind: all succeed, nothing is counted twice, the log is whole."""
    make.champion(reg)

    def work(worker: int) -> None:
        make.champion(reg, of=f"model-{worker}")
        for day in range(1, 4):
            ingest.ingest(reg, [make.window(day), make.window(day, segment="a")], now=make.NOW)
            make.decide(reg, 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    (incident,) = queries.incidents(reg)
    assert 3 == incident.windows
    assert 6 == len(queries.windows(reg, "m"))
    assert 1 == len(queries.decisions(reg))
    assert [] == audit_chain.verify(reg)


def test_a_reader_sees_one_moment(reg: Registry) -> None:
    """What is written meanwhile does not show, and nobody waits for the reader."""
    make.model(reg)
    count = sa.select(sa.func.count()).select_from(tables.models)
    with reg.read() as c:
        assert 1 == c.scalar(count)
        make.model(reg, "later")
        assert 1 == c.scalar(count)
    assert ["later", "m"] == queries.models(reg)


def _duplicate(c: sa.Connection) -> None:
    for _ in range(2):
        mapping.insert(c, tables.models, model="m", task="binary", created_at=make.NOW)


def _orphan(c: sa.Connection) -> None:
    mapping.insert(c, tables.champions, model="ghost", version="v1", generation=1, since=make.NOW)


def _missing_table(c: sa.Connection) -> None:
    c.execute(sa.text("SELECT * FROM nowhere"))


def _naive_time(c: sa.Connection) -> None:
    mapping.insert(c, tables.models, model="m", task="binary", created_at=make.NOW.replace(tzinfo=None))


def _not_a_number(c: sa.Connection) -> None:
    mapping.insert(c, tables.versions, model="m", version="v1", mode="static", state="candidate", rows=0,
                metrics={"auc": float("nan")}, created_at=make.NOW)  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (_duplicate, "the registry refuses: .*(?i:unique)"),
        (_orphan, "the registry refuses: .*(?i:foreign key)"),
        (_missing_table, r"nowhere[\s\S]*hint: leeway db upgrade"),
        (_naive_time, r"has no time zone[\s\S]*hint: pass an aware datetime"),
        (_not_a_number, r"not every number is finite[\s\S]*hint: leave out"),
    ],
)
def test_the_drivers_errors_are_said_in_our_words(
    reg: Registry, fault: Callable[[sa.Connection], None], said: str
) -> None:
    """A caller only ever sees RegistryError, with the driver's own as its cause and nothing written."""
    before = make.everything(reg)
    with pytest.raises(RegistryError, match=said) as caught, reg.write() as c:
        fault(c)
    assert caught.value.__cause__ is not None
    assert before == make.everything(reg)


def test_a_locked_database_says_so(reg: Registry, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program that never ends its transaction is named as the cause."""
    monkeypatch.setattr("registry.connection.LOCK_WAIT_SECONDS", 0.1)
    with Registry.open(url, tmp_path) as other, reg.write():  # noqa: SIM117 - the lock comes first
        with pytest.raises(RegistryAway, match="keeps the database locked; try again"):
            make.model(other)


def test_a_server_that_is_gone_is_an_outage_and_a_wrong_statement_is_not(reg: Registry, tmp_path: Path) -> None:
    """Whoever waits for outages would wait for ever for a table that is missing."""
    pytest.importorskip("psycopg")
    with pytest.raises(RegistryAway, match="cannot be used"):
        Registry.open("postgresql+psycopg://u@127.0.0.1:1/none", tmp_path)
    with pytest.raises(RegistryError) as caught, reg.read() as c:
        _missing_table(c)
    assert not isinstance(caught.value, Outage)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"database": "leewy"}, 'database "leewy" does not exist'),
        ({"username": "ann"}, '"ann"'),
        ({"password": "x"}, "password authentication failed"),
    ],
)
def test_a_wrong_address_is_no_outage(server: sa.URL, tmp_path: Path, wrong: dict[str, str], said: str) -> None:
    """A server that refuses it would do so for ever, and no upgrade of the schema helps."""
    if server.password is None and "password" in wrong:
        pytest.skip("the server of the environment asks for no password")
    url = server.set(drivername="postgresql+psycopg", **wrong)  # type: ignore[arg-type]
    with pytest.raises(RegistryError, match=rf"{said}[\s\S]*hint: correct the database, the user") as caught:
        Registry.open(url.render_as_string(hide_password=False), tmp_path)
    assert not isinstance(caught.value, Outage)


@pytest.mark.parametrize(
    ("state", "hint", "is_outage"),
    [
        ("42P01", "leeway db upgrade", False),
        ("42703", "leeway db upgrade", False),
        ("42883", "", False),  # "function ... does not exist"
        ("3D000", "correct the database", False),
        ("28000", "correct the database", False),
        ("28P01", "correct the database", False),
        ("55P03", "locked", True),
        ("57014", "took too long", True),
        ("57P03", "", True),  # the server is starting
        ("53300", "", True),  # it has too many connections
    ],
)
def test_what_postgresql_says_is_told_by_its_code(state: str, hint: str, is_outage: bool) -> None:
    """Its words are in the server's language, and "does not exist" is said of databases, users and functions too."""
    psycopg = pytest.importorskip("psycopg")
    original = psycopg.errors.lookup(state)("x does not exist")
    kind = sa.exc.OperationalError if isinstance(original, psycopg.OperationalError) else sa.exc.ProgrammingError
    with pytest.raises(RegistryError) as caught, translated_errors():
        raise kind("SELECT 1", None, original)
    assert is_outage is isinstance(caught.value, Outage)
    assert hint in caught.value.hint if hint else not caught.value.hint


@pytest.mark.parametrize(
    "said", ["FATAL:  the database system is starting up", "FATAL:  sorry, too many clients already"]
)
def test_a_server_that_is_busy_at_connecting_is_an_outage(said: str) -> None:
    """The driver has no code of what fails there."""
    psycopg = pytest.importorskip("psycopg")
    with pytest.raises(RegistryAway), translated_errors():
        raise sa.exc.OperationalError("SELECT 1", None, psycopg.OperationalError(f"connection failed: {said}"))


def test_every_record_has_its_table() -> None:
    """A record's fields are columns of its table, so that a row can be read as it."""
    kinds = {kind for kind in Record.__subclasses__() if kind.__module__.startswith("registry.records.")}
    kinds.remove(ComparedSlice)  # a part of a Comparison, and stored in it
    assert kinds == set(mapping.TABLE)
    for record, table in mapping.TABLE.items():
        assert set(record.model_fields) <= set(table.columns.keys())
