"""The moves that end an audit, and that take the rows as they are where an audit found what is known and right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from registry import outbox
from registry.audit_log import chain, evidence, seals, verification
from registry.connection import Registry
from registry.database import mapping, tables
from registry.records import AuditResult


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
    report_digest: str = "",
    now: datetime,
) -> AuditResult:
    """Write down a finished audit and tell of it. *report* is the path of its text, *report_digest* its sha256."""
    said = {"period_start": period_start, "period_end": period_end, "passed": passed, "findings": list(findings),
            "numbers": dict(numbers), "report": report}  # fmt: skip
    with reg.write() as c:
        number = mapping.insert(c, tables.audits, model=model, made_at=now, **said)
        result = AuditResult.model_validate({"id": number, "model": model, "made_at": now, **said})
        details: dict[str, chain.Detail] = {"passed": passed, "findings": list(findings), "report": report,
                                            "report_digest": report_digest}  # fmt: skip
        entry = chain.append(c, chain.Line(now, chain.SYSTEM, "audit.finished", model, f"audit {number}", details))
        outbox.tell(c, entry, {"result": result.model_dump(mode="json")})
        return result


def accept(reg: Registry, *, because: str, actor: str, now: datetime) -> list[str]:
    """Digest all rows as they are, begin a new file of signed heads, and return what did not fit until then.

    For what is known and right: a backup was restored, a row was mended by hand, the key was changed. Who did it, why,
    and what did not fit are in the log for good; a line of the log that was altered stays a finding.
    """
    signer = reg.heads.signer()
    heads = reg.heads.read()
    with reg.write(now) as c:
        found = verification.verify(replace(evidence.of(c, signer), heads=heads))
        end = seals.inventory_rows(c, seals.RowInventory(now, actor, because, found), signer)
    reg.heads.put_away(f"{now:%Y-%m-%dT%H%M%S}-line-{end.seq}")
    if signer:
        reg.heads.add(end, signer)
    return found
