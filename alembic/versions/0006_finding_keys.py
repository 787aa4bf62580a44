"""A finding keeps its window's verdict and the sequential verdict beside each other, under the words of the field.

Stored reports and the evidence of incidents are rewritten, with the digests that follow from them. Programs before this
revision cannot read what is written now. :class:`monitors.report.Report` still reads what was written before, so that
reports on their way through topics are not lost.

Revision 0006, after 0005.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
CHUNK = 200
REPORTS = sa.table("window_reports", sa.column("id", sa.Integer()), sa.column("report", JSON), sa.column("digest"),
                   sa.column("evidence"))  # fmt: skip
INCIDENTS = sa.table("incidents", sa.column("id", sa.Integer()), sa.column("evidence", JSON))

SEQUENTIAL = {"promised": "guaranteed", "share": "budget_share", "evidence": "evidence", "needed": "evidence_required",
              "over_time": "note"}  # fmt: skip
"""Old key of a finding: new key of its sequential verdict."""
ABSENT = {"promised": None, "share": None, "evidence": None, "needed": None, "over_time": ""}
FLOATS = {"effect", "threshold", "share", "evidence", "needed"}
"""PostgreSQL gives whole numbers back without their point, which the digest would see."""
WINDOW = ("segment", "stage", "window_start", "window_end", "report")
"""The keys of a piece of evidence that are its window's, not its finding's."""


def upgrade() -> None:
    _rewrite(_new_report, _new_evidence)
    _serve(revision)


def downgrade() -> None:
    _rewrite(_old_report, _old_evidence)
    _serve(down_revision)


def _rewrite(report: Callable[[Any], Any], evidence: Callable[[Any], Any]) -> None:
    digests: dict[str, str] = {}
    for row in _rows(REPORTS):
        made = report(row.report)
        values = {"report": made, "digest": _digest(made), "evidence": _digest(made, but=("findings", "policy"))}
        op.get_bind().execute(REPORTS.update().where(REPORTS.c.id == row.id).values(values))
        digests[row.digest] = values["digest"]
    for row in _rows(INCIDENTS):
        made = [evidence({**piece, "report": digests.get(piece.get("report"), "")}) for piece in row.evidence]
        op.get_bind().execute(INCIDENTS.update().where(INCIDENTS.c.id == row.id).values(evidence=made))


def _rows(table: Any) -> Iterator[Any]:
    last = 0
    while (
        rows := op.get_bind().execute(table.select().where(table.c.id > last).order_by(table.c.id).limit(CHUNK)).all()
    ):
        yield from rows
        last = rows[-1].id


def _new_report(old: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in old.items() if key != "newest"}
    findings = [_new_finding(finding) for finding in old.get("findings", ())]
    return {"policy": "", **kept, "newest_slice": old.get("newest", {}), "findings": findings}


def _old_report(new: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in new.items() if key != "newest_slice"}
    return {**kept, "newest": new["newest_slice"], "findings": [_old_finding(finding) for finding in new["findings"]]}


def _new_finding(old: dict[str, Any]) -> dict[str, Any]:
    old = _floats({"effect": None, "interval": None, "threshold": None, "metrics": {}, "reason": "", **ABSENT, **old})
    kept = {key: value for key, value in old.items() if key not in {"verdict", "alone", *ABSENT}}
    sequential = {"verdict": old["verdict"], **{new: old[key] for key, new in SEQUENTIAL.items()}}
    return {
        **kept,
        "window_verdict": old.get("alone") or old["verdict"],
        "sequential": None if old["promised"] is None else sequential,
    }


def _old_finding(new: dict[str, Any]) -> dict[str, Any]:
    sequential = new["sequential"]
    kept = {key: value for key, value in new.items() if key not in ("window_verdict", "sequential")}
    if sequential is None:
        return _floats({**kept, "verdict": new["window_verdict"], "alone": None, **ABSENT})
    alone = None if sequential["budget_share"] is None else new["window_verdict"]
    said = {key: sequential[name] for key, name in SEQUENTIAL.items()}
    return _floats({**kept, "verdict": sequential["verdict"], "alone": alone, **said})


def _new_evidence(old: dict[str, Any]) -> dict[str, Any]:
    finding = {key: value for key, value in old.items() if key not in WINDOW}
    return {"finding": _new_finding(finding), **{key: old[key] for key in WINDOW}}


def _old_evidence(new: dict[str, Any]) -> dict[str, Any]:
    return {**_old_finding(new["finding"]), **{key: new[key] for key in WINDOW}}


def _floats(finding: dict[str, Any]) -> dict[str, Any]:
    numbers = {key: None if finding[key] is None else float(finding[key]) for key in FLOATS}
    interval = finding["interval"] and [float(end) for end in finding["interval"]]
    metrics = {name: float(value) for name, value in finding["metrics"].items()}
    return {**finding, **numbers, "interval": interval, "metrics": metrics}


def _digest(report: dict[str, Any], but: tuple[str, ...] = ()) -> str:
    hashed = {key: value for key, value in report.items() if key not in but}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _serve(oldest: str) -> None:
    op.execute(sa.table("compatibility", sa.column("oldest")).update().values(oldest=oldest))
