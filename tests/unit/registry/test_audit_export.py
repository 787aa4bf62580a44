"""Export of the audit log: the same findings without the database; other files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import DataError
from registry import audit_export
from registry.audit_log import verification
from registry.connection import Registry
from registry.database import tables
from tests.support import registry_values as make
from tests.support.registry_forgeries import findings, forging, recompute, renamed

pytestmark = pytest.mark.tampering


def test_an_export_is_checked_without_the_database(full: Registry, url: str, tmp_path: Path) -> None:
    """It has the same findings, with the key and, but for signatures, without."""
    path = tmp_path / "export.jsonl"
    audit_export.write(audit_export.collect(full), path, now=make.NOW)
    assert [] == verification.verify(audit_export.read(path, full.heads.existing_signer))
    assert [] == verification.verify(audit_export.read(path, None))
    assert ["signatures were not checked: the key is not here"] == verification.notes(audit_export.read(path, None))
    with forging(url) as c:
        c.execute(tables.checks.delete())
        recompute(c, renamed)
    audit_export.write(audit_export.collect(full), path, now=make.NOW)
    assert findings(full) == verification.verify(audit_export.read(path, full.heads.existing_signer))
    assert [f for f in findings(full) if "not signed" not in f] == verification.verify(audit_export.read(path, None))


def test_an_altered_export_is_named(full: Registry, tmp_path: Path) -> None:
    """By its signature, and where there is no key by what does not fit."""
    path = tmp_path / "export.jsonl"
    audit_export.write(audit_export.collect(full), path, now=make.NOW)
    text = path.read_text()
    path.write_text(text.replace('"action":"model.added","actor":"leeway"', '"action":"model.added","actor":"bob"'))
    assert audit_export.ALTERED in verification.verify(audit_export.read(path, full.heads.existing_signer))
    (finding,) = verification.verify(audit_export.read(path, None))
    assert "line 1 (model.added) was altered" in finding


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"kind": "leeway audit export", "form": 2}', "\udcff"])
def test_what_is_no_export_is_refused(tmp_path: Path, text: str) -> None:
    """In words: a file that cannot be checked is neither whole nor tampered with."""
    path = tmp_path / "export.jsonl"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=r"export\.jsonl"):
        audit_export.read(path, None)


def test_a_part_of_an_export_is_refused(full: Registry, tmp_path: Path) -> None:
    """Whichever line is missing."""
    path = tmp_path / "export.jsonl"
    audit_export.write(audit_export.collect(full), path, now=make.NOW)
    lines = path.read_text().splitlines(keepends=True)
    for gone in (0, 5, len(lines) - 1):
        path.write_text("".join(lines[:gone] + lines[gone + 1 :]))
        with pytest.raises(DataError):
            audit_export.read(path, None)
