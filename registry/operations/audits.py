"""Operations that record an audit, and that accept rows whose differences are known and right."""

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
    """Record a finished audit, with a line in the log and a message, and return it.

    Parameters
    ----------
    period_start, period_end
        The event times that were audited.
    passed
        Whether there are no findings.
    findings, numbers
        Its findings in sentences, and what was counted.
    report, report_digest
        The path of its text, and the sha256 of that.
    """
    values = {"period_start": period_start, "period_end": period_end, "passed": passed, "findings": list(findings),
            "numbers": dict(numbers), "report": report}  # fmt: skip
    with reg.write() as c:
        number = mapping.insert(c, tables.audits, model=model, made_at=now, **values)
        result = AuditResult.model_validate({"id": number, "model": model, "made_at": now, **values})
        details: dict[str, chain.Detail] = {"passed": passed, "findings": list(findings), "report": report,
                                            "report_digest": report_digest}  # fmt: skip
        entry = chain.append(c, chain.Line(now, chain.SYSTEM, "audit.finished", model, f"audit {number}", details))
        outbox.add_message(c, entry, {"result": result.model_dump(mode="json")})
        return result


def accept(reg: Registry, *, because: str, actor: str, now: datetime) -> list[str]:
    """Digest all rows as they are, begin a new file of signed heads, and return the findings until then.

    For differences that are known and right: a backup was restored, a row was repaired by hand, the key was changed.
    Who accepted them, why, and the findings are in the log for good. A line of the log that was altered stays a
    finding.

    Parameters
    ----------
    because
        Why they are right, in words.
    actor
        Who accepts them.
    """
    signer = reg.heads.signer()
    with reg.write(now) as c:
        found = replace(evidence.read_evidence(c, signer), heads=reg.heads.read())  # no other transaction ends here
        findings = verification.verify(found)
        end = seals.inventory_rows(c, seals.RowInventory(now, actor, because, findings), signer)
    reg.heads.begin_anew(end, signer, f"{now:%Y-%m-%dT%H%M%S}-line-{end.seq}")
    return findings
