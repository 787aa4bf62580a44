"""Migrations: each step up and down with data, and the final schema is the program's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from features.errors import RegistryError
from monitors.finding import DriftEvidence, Finding
from monitors.report import Report
from registry import audit_export, operations, queries
from registry.audit_log import covered_rows, verification
from registry.connection import Registry
from registry.database import columns, migrate, tables
from registry.incidents import ingest
from registry.records import Action, RunState
from tests.support import audit_chain
from tests.support import registry_values as make
from tests.support.drift_evidence import evidence
from tests.unit.registry.conftest import EXACT

REGISTRIES = EXACT


@pytest.fixture
def old(bare_url: str, tmp_path: Path) -> Iterator[Registry]:
    """Yield a registry with no schema yet."""
    with Registry(bare_url, tmp_path / "artifacts") as registry:
        yield registry


def test_history_has_one_end() -> None:
    """Two heads: rebase the newer migration on the other by its `down_revision`."""
    assert 1 == len(ScriptDirectory.from_config(migrate.config()).get_heads())


def test_every_migration_is_in_the_notes() -> None:
    """A missing one: add its line to alembic/NOTES.md."""
    notes = (migrate.folder() / "NOTES.md").read_text()
    assert [] == [r for r in migrate.revisions() if f"| {r} |" not in notes]


def test_migrations_make_what_the_tables_say(reg: Registry) -> None:
    """A difference: write a migration, `migrate.draft` begins it."""
    with reg.read() as c:
        migrate.check(c.engine)


def test_migrations_make_what_the_tables_say_to_the_letter(reg: Registry, bare_url: str) -> None:
    """Constraint names, partial indexes and defaults, which Alembic does not all compare, are equal too."""
    made = sa.create_engine(bare_url)
    tables.metadata.create_all(made)
    with reg.read() as c:
        assert _described(made) == _described(c.engine)
    made.dispose()


def _described(engine: sa.Engine) -> dict[str, Any]:
    inspector = sa.inspect(engine)
    return {
        name: {
            "columns": {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(name)},
            "key": inspector.get_pk_constraint(name),
            "references": sorted(map(str, inspector.get_foreign_keys(name))),
            "unique": sorted(map(str, inspector.get_unique_constraints(name))),
            "indexes": sorted(
                (str(i["name"]), i["unique"], i["column_names"], _where(i)) for i in inspector.get_indexes(name)
            ),
        }
        for name in inspector.get_table_names()
        if name != migrate.VERSION_TABLE
    }


def _where(index: Any) -> list[str]:
    return [str(value) for option, value in index.get("dialect_options", {}).items() if option.endswith("_where")]


@pytest.mark.tampering
def test_going_down_and_up_again_loses_nothing(full: Registry) -> None:
    """With a row in every table, each step down and up keeps every row, and no reference breaks; the log grows only."""
    before = make.everything(full)
    log = before.pop("audit_log")
    before.pop("audit_head")
    for name in ("acceptances", "comparisons"):
        assert before.pop(name)  # the way down from 0007 and from 0008 has no place for them
    assert [] == [name for name, found in before.items() if not found]
    for revision in migrate.revisions()[1:]:
        full.downgrade(revision)
        assert revision == full.schema_version()
        full.migrate()
        after = make.everything(full)
        assert log == after["audit_log"][: len(log)]
        assert before == {name: after[name] for name in before}
    assert [] == audit_chain.verify(full)
    make.rollback(full, 2)


@pytest.mark.tampering
def test_the_way_down_keeps_what_older_programs_do_not_know(full: Registry) -> None:
    """Revised decisions, held runs and new actions become what they can read; the run of a revision stays its run."""
    (incident,) = ingest.ingest(full, [make.window(9, version="v2")], now=make.NOW).opened
    first = make.decide(full, incident.id, Action.SUGGEST)
    again = operations.record_decision(full, model="m", incident_id=incident.id, action=Action.RETRAIN, because=["x"],
                                       actor="ann", now=make.NOW, revises=first.id)  # fmt: skip
    run = operations.start_run(full, decision_id=again.id, as_of=make.NOW, flow_run=None, now=make.NOW)
    make.ready(full, "v3")
    operations.hold_run(full, run.id, challenger="v3", reason="few labels", now=make.NOW)
    full.downgrade("0007")
    full.migrate()
    suggested, revised = (queries.decision(full, d.id) for d in (first, again))
    assert (Action.NOTHING, incident.id, 1) == (suggested.action, suggested.incident_id, suggested.revision)
    assert (Action.RETRAIN, None, 1) == (revised.action, revised.incident_id, revised.revision)
    assert (RunState.REJECTED, again.id) == (queries.run(full, run.id).state, queries.run(full, run.id).decision_id)


@pytest.mark.tampering
def test_the_newest_revision_is_marked_for_old_rows(full: Registry) -> None:
    """0002 fills its column from the rows that were there before it."""
    full.downgrade("0001")
    with full.read() as c:
        assert "latest" not in {column["name"] for column in sa.inspect(c).get_columns("window_reports")}
    full.migrate()
    t = tables.window_reports.c
    with full.read() as c:
        found = c.execute(sa.select(t.window_end, t.segment, t.revision, t.latest).order_by(t.id)).all()
    days = [((row.window_end - make.NOW).days, row.segment, row.revision, row.latest) for row in found]
    assert [(1, "", 1, False), (1, "", 2, True), (2, "a", 1, True)] == days


@pytest.mark.tampering
def test_what_reports_and_incidents_are_counted_by_is_filled_in(full: Registry) -> None:
    """0003 fills its columns from what old reports say, and gives every signal its usual severity."""
    t, i = tables.window_reports.c, tables.incidents.c
    full.downgrade("0002")
    faults = [{"signal": "quality", "verdict": "drift"}, {"signal": "feature", "verdict": "not_enough_evidence"}]
    with full.write() as c:
        old = c.scalar(sa.select(t.report).where(t.id == 1))
        gone = {key: value for key, value in old.items() if key != "newest"}
        c.execute(sa.update(tables.window_reports).where(t.id == 1).values(report={**gone, "findings": faults}))
        c.execute(sa.update(tables.incidents).values(signal="performance"))
    full.migrate()
    with full.read() as c:
        found = c.execute(sa.select(t.signals, t.evidence).order_by(t.id)).all()
        severity = c.scalars(sa.select(i.severity)).one()
    drift = {"feature": "drift", "quality": "steady"}
    assert [{"quality": "drift", "feature": "not_enough_evidence"}, drift, drift] == [row.signals for row in found]
    assert Report.model_validate(old).evidence_digest == found[0].evidence
    assert "critical" == severity


@pytest.mark.tampering
def test_reports_of_before_are_rewritten_with_their_digests(full: Registry) -> None:
    """0006 and its way back lose nothing; what was written before it is read as what it became."""
    finding = evidence("x", guaranteed=True, note="evidence 3 of 90", metrics={"psi": 1e22}).finding
    alarm = evidence("*", guaranteed=False, note="a fast signal").finding
    ingest.ingest(full, [make.window(9).model_copy(update={"findings": (_in_budget(finding), alarm)})], now=make.NOW)
    t, i = tables.window_reports.c, tables.incidents.c
    rows, pieces = sa.select(t.report, t.digest, t.evidence).order_by(t.id), sa.select(i.evidence).order_by(i.id)
    with full.read() as c:
        before, kept = c.execute(rows).all(), c.scalars(pieces).all()
    full.downgrade("0005")
    with full.read() as c:
        older = c.execute(rows).all()
        read = [[DriftEvidence.model_validate(e) for e in es] for es in c.scalars(pieces)]
    full.migrate()
    with full.read() as c:
        after, back = c.execute(rows).all(), c.scalars(pieces).all()

    assert "drift" == older[-1].report["findings"][0]["alone"]
    assert [Report.model_validate(row.report) for row in before] == [Report.model_validate(r.report) for r in older]
    assert [[DriftEvidence.model_validate(e).finding for e in es] for es in kept] == [
        [e.finding for e in es] for es in read
    ]
    assert before == after
    assert kept == back
    assert [Report.model_validate(row.report).digest for row in after] == [row.digest for row in after]
    assert [Report.model_validate(row.report).evidence_digest for row in after] == [row.evidence for row in after]


def _in_budget(finding: Finding) -> Finding:
    assert finding.sequential is not None
    share = finding.sequential.model_copy(update={"budget_share": 1.0, "evidence": 3.0, "evidence_required": 90.0})
    return finding.model_copy(update={"sequential": share})


@pytest.mark.tampering
def test_going_down_to_base_leaves_nothing(full: Registry) -> None:
    """Only Alembic's own table stays, empty; and the way up starts afresh."""
    full.downgrade("base")
    with full.read() as c:
        assert [migrate.VERSION_TABLE] == sa.inspect(c).get_table_names()
    assert full.schema_version() is None
    full.migrate()
    make.champion(full)


def test_a_migration_that_fails_changes_nothing(old: Registry) -> None:
    """A row that refers to nothing stops the migration, and the schema is as it was."""
    old.migrate("0001")
    if old.url.get_backend_name() != "sqlite":
        pytest.skip("only SQLite can hold such a row: it has references off while it migrates")
    with old.read() as c:
        raw = c.engine.raw_connection()
    raw.execute("PRAGMA foreign_keys=OFF")
    raw.execute("INSERT INTO champions VALUES ('ghost', 'v1', 1, '2013-06-01')")
    raw.close()
    with pytest.raises(RegistryError, match="refer to nothing"):
        old.migrate()
    assert "0001" == old.schema_version()
    with old.read() as c:
        assert "latest" not in {column["name"] for column in sa.inspect(c).get_columns("window_reports")}


def test_a_migration_does_not_wait_for_ever(full: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that somebody else uses makes it give up and say so: all who came later would wait behind it."""
    if full.url.get_backend_name() == "sqlite":
        pytest.skip("SQLite locks the file as a whole, and waits for as long as any writer does")
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.2)
    at = full.schema_version()
    with full.read() as c:
        c.execute(sa.select(tables.versions.c.version))
        with pytest.raises(RegistryError, match="lock timeout") as told:
            full.downgrade("base")

    assert "try again" in told.value.hint
    assert at == full.schema_version()


def test_a_migration_may_rebuild_a_table_that_others_refer_to(
    full: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite can only alter a table by making it anew; the rows of it and of those that refer to it stay."""
    shutil.copytree(migrate.folder(), tmp_path / "alembic")
    monkeypatch.setattr(migrate, "folder", lambda: tmp_path / "alembic")
    (tmp_path / "alembic" / "versions" / "9999_rebuild.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '9999', '{migrate.head()}'\n"
        "def upgrade():\n"
        "    with op.batch_alter_table('versions', recreate='auto') as batch:\n"
        "        batch.alter_column('mode', nullable=True)\n"
    )
    before = make.everything(full)
    full.migrate()
    after = make.everything(full)
    assert {"audit_log", "audit_head"} == {name for name in before if before[name] != after[name]}
    assert [] == verification.verify(audit_export.collect(full))
    with pytest.raises(RegistryError, match="refuses"), full.write() as c:
        c.execute(tables.versions.delete())


def test_an_old_registry_must_be_upgraded_by_hand(old: Registry, bare_url: str, tmp_path: Path) -> None:
    """Opening never migrates data that are there: the error says which command does."""
    old.migrate("0001")
    with pytest.raises(RegistryError, match=rf"is 0001; this program needs {migrate.head()}[\s\S]*leeway db upgrade"):
        Registry.open(bare_url, tmp_path)
    old.migrate()
    Registry.open(bare_url, tmp_path).close()


@pytest.mark.tampering
def test_a_newer_registry_serves_older_programs_as_long_as_it_says_so(reg: Registry, url: str, tmp_path: Path) -> None:
    """A release is rolled out beside the one before, until a migration takes away what that one needs."""
    make.stamp(reg, "9998")
    with Registry.open(url, tmp_path) as opened:
        make.champion(opened)

    make.stamp(reg, "9999", oldest="9999")
    with pytest.raises(RegistryError, match="9999 is newer"):
        Registry.open(url, tmp_path)


def test_an_older_schema_serves_nobody_who_came_later(old: Registry) -> None:
    """Nor does one that says nothing of others."""
    assert (False, None) == (old.serves(), old.oldest_served())
    old.migrate("0003")
    assert (False, None) == (old.serves(), old.oldest_served())
    old.migrate()
    assert (True, "0009") == (old.serves(), old.oldest_served())
    old.downgrade("0003")
    make.stamp(old, "9999")
    assert not old.serves()


def test_an_unknown_revision_is_refused(reg: Registry) -> None:
    """In the registry's words."""
    with pytest.raises(RegistryError, match="Can't locate revision"):
        reg.migrate("nonsense")


def test_an_installed_package_carries_its_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a wheel they lie beside the registry's modules, and make the same schema."""
    shutil.copytree(migrate.folder(), tmp_path / "registry" / "migrations")
    monkeypatch.setattr(migrate, "__file__", str(tmp_path / "registry" / "database" / "migrate.py"))
    assert tmp_path / "registry" / "migrations" == migrate.folder()
    with Registry.open(f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "artifacts") as reg:
        make.champion(reg)


def test_a_draft_holds_what_the_tables_have_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new table of ours is drafted with plain column types, and the draft runs."""
    number = f"{int(migrate.head()) + 1:04}"
    shutil.copytree(migrate.folder(), tmp_path / "alembic", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migrate, "folder", lambda: tmp_path / "alembic")
    more = sa.MetaData(naming_convention=tables.metadata.naming_convention)
    for table in tables.metadata.sorted_tables:
        table.to_metadata(more)
    sa.Table("notes", more, sa.Column("id", sa.Integer, primary_key=True), sa.Column("at", columns.UtcDateTime()))
    monkeypatch.setattr(tables, "metadata", more)
    draft = migrate.draft("add notes")
    assert f"{number}_add_notes.py" == draft.name
    assert "sa.DateTime(timezone=True)" in draft.read_text()
    with Registry.open(f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "artifacts") as reg:
        assert number == reg.schema_version()


def test_rows_of_before_are_digested_as_they_are_found(full: Registry) -> None:
    """An upgrade digests every row there is; what did not fit before it stays a finding until somebody accepts it."""
    full.downgrade("0004")
    with full.write(make.NOW) as c:  # as the release before did: rows, and no digests
        c.execute(sa.update(tables.incidents).values(resolution="by an older release"))
    full.migrate()
    (line,) = [entry for entry in queries.audit_log(full) if entry.action == "rows.found"]
    assert "schema 0004 became 0009" == line.details["because"]
    assert {t.name for t in covered_rows.covered()} - {"acceptances", "comparisons"} == line.details["rows"].keys()
    differed = verification.verify(audit_export.collect(full))  # reports too: the way down has rewritten them
    said = "incidents 1 is not what line 30 of the log has of it: evidence, resolution differs (before line 34)"
    lost = [differed.pop(0) for _ in range(4)]  # the way down has no place for them
    assert ["baselines", "acceptances", "decisions", "comparisons"] == [line.split()[1] for line in lost]
    assert all("cannot be read: " in line for line in lost)
    assert said == differed[0]
    assert {"incidents", "window_reports"} == {line.split()[0] for line in differed}
    assert [*lost, *differed] == operations.accept(full, because="we let it run on", actor="ann", now=make.NOW)
    assert [] == verification.verify(audit_export.collect(full))


def test_a_registry_without_digests_is_taken_as_it_is(old: Registry) -> None:
    """One of before schema 0005 has nothing that its rows could differ from; from then on they may not change."""
    old.migrate("0004")
    with old.write(make.NOW) as c:
        c.execute(sa.insert(tables.models).values(model="m", task="binary", created_at=make.NOW))
    old.migrate()
    assert [] == verification.verify(audit_export.collect(old))
    with old.write(make.NOW) as c:
        c.execute(sa.update(tables.models).values(task="regression"))
    assert ["models m is not what line 1 of the log has of it: task differs"] == verification.verify(
        audit_export.collect(old)
    )
