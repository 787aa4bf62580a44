"""What to do next about a model: the last line of `leeway status`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from features.window import UTC
from leeway import external_champion
from leeway.commands.incidents import ends_by_itself
from leeway.project.load import Model
from leeway.terminal import show

_NEVER = datetime.min.replace(tzinfo=UTC)


def of(row: dict[str, Any], model: Model) -> str:
    """Return what to do next about *model*, the most urgent alone, as Rich markup; "" for nothing.

    *row* is what `leeway status --json` prints of it.
    """
    if not row["champion"]:
        return "no version is monitored yet; [bold]leeway baseline[/] freezes a baseline from events"
    if not row["inputs"]:
        return "no window has been judged yet; [bold]leeway monitor[/] judges the events"
    if row["inputs"]["version"] != row["champion"] and row["inputs"]["window_end"] > (row["newest_window"] or _NEVER):
        return show.text(external_champion.promotion_hint(row["inputs"]["version"], row["champion"]))
    if row["undecided"] and (ends := ends_by_itself(model)):
        return f"an incident is open: {ends}"
    if row["undecided"]:
        return "an incident has no decision yet; [bold]leeway react[/] decides, and so does [bold]leeway flows serve[/]"
    return ""
