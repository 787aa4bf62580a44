"""The demo's final table: by month, the static model against the models that Leeway served."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.metrics import log_loss, roc_auc_score

from leeway.context import Context
from registry import queries


def by_month(served: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return a row a month: labelled flights, share late, AUC and log loss of both, and the versions that served."""
    rows = []
    for month, part in served[served["label"].notna()].groupby(served["time"].dt.strftime("%Y-%m")):
        y = part["label"]
        auc = [roc_auc_score(y, part[c]) for c in ("static", "prediction")]
        loss = [log_loss(y, part[c]) for c in ("static", "prediction")]
        versions = " ".join(sorted(part["model_version"].unique(), key=lambda v: int(v[1:])))
        rows.append((month, f"{len(part):,}", f"{y.mean():.3f}", *(f"{a:.3f}" for a in auc),
                     *(f"{v:.3f}" for v in loss), versions))  # fmt: skip
    return rows


def show(opened: Context, served: pd.DataFrame, console: Console) -> None:
    """Print the months, then every incident with its decision."""
    table = Table("month", "flights", "late", "AUC static", "AUC Leeway", "loss static", "loss Leeway", "served by",
                  title="The static model and what Leeway served", box=None)  # fmt: skip
    for row in by_month(served):
        table.add_row(*row)
    console.print(table)
    incidents = Table("opened", "version", "signal", "windows", "decision", "because", title="Incidents", box=None)
    for i in sorted(queries.incidents(opened.registry), key=lambda i: (i.opened_at, i.version, i.signal)):
        decision = queries.decision_of(opened.registry, i.id)
        incidents.add_row(f"{i.opened_at:%Y-%m-%d}", i.version, i.signal.value, str(i.windows),
                          decision.action.value if decision else f"waiting: {i.pending}",
                          "; ".join(decision.because) if decision else "")  # fmt: skip
    console.print(incidents)
