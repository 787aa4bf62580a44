"""The move that ends an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from registry import chain, outbox, rows, tables
from registry.records import AuditResult
from registry.sql import Registry


def record_audit(  # noqa: PLR0913 - the fields of an AuditResult
    reg: Registry,
    *,
    model: str,
    period_start: datetime,
    period_end: datetime,
    passed: bool,
    findings: Sequence[str],
    numbers: Mapping[str, float],
    report: str,
    now: datetime,
) -> AuditResult:
    """Write down a finished audit and tell of it. *report* is the path of its text."""
    said = {"period_start": period_start, "period_end": period_end, "passed": passed, "findings": list(findings),
            "numbers": dict(numbers), "report": report}  # fmt: skip
    with reg.write() as c:
        number = rows.insert(c, tables.audits, model=model, made_at=now, **said)
        result = AuditResult.model_validate({"id": number, "model": model, "made_at": now, **said})
        details: dict[str, chain.Detail] = {"passed": passed, "findings": list(findings), "report": report}
        entry = chain.append(c, chain.Line(now, chain.SYSTEM, "audit.finished", model, f"audit {number}", details))
        outbox.tell(c, entry, {"result": result.model_dump(mode="json")})
        return result
