"""Chart data: names that come from events are drawn as they are, and are neither markup nor templates of Plotly."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from dashboards import charts
from dashboards.incident_page import EvidencePoint, EvidenceTrace
from dashboards.performance_chart import Line, Point
from dashboards.timeline import Address
from dashboards.window_page import Distribution, Shares
from monitors.finding import Stage, Verdict
from registry.records import Incident, IncidentState, Promotion

AT = datetime(2024, 1, 1, tzinfo=timezone.utc)
NAME = '<a href="https://x.example">a & b</a>%{y}'
PLAIN = '&lt;a href="https://x.example"&gt;a &amp; b&lt;/a&gt;%{y}'


def test_categories_and_samples_are_no_markup() -> None:
    """As tick labels and in what is shown on hovering."""
    chart = charts.bars(Distribution(NAME, (NAME, "b"), (Shares(NAME, (1, 3)),)))
    assert ([PLAIN, "b"], PLAIN, PLAIN) == (chart["cells"], chart["name"], chart["samples"][0]["name"])


def test_segments_are_no_markup() -> None:
    """As the names of lines."""
    where = Address("v1", Stage.INPUTS, AT, NAME)
    trace = EvidenceTrace(NAME, 100.0, (EvidencePoint(AT, 1.0, Verdict.STEADY, where),))
    incident = Incident.model_validate({
        "id": 1, "model": "m", "version": "v1", "signal": "feature", "severity": "info", "state": IncidentState.OPEN,
        "since": AT, "opened_at": AT, "last_seen": AT, "judged_until": AT, "windows": 1, "evidence": [],
    })  # fmt: skip
    (drawn,) = charts.evidence([trace], incident, str)["traces"]
    assert drawn["name"] == PLAIN


def test_versions_are_no_markup() -> None:
    """As marks of promotions and in what is shown on hovering."""
    point = Point(AT, 0.7, 0.8, Verdict.STEADY, Address(NAME, Stage.OUTCOMES, AT))
    promotion = Promotion(id=1, model="m", from_version=None, to_version=NAME, generation=1, kind="bootstrap",
                          decision_id=None, run_id=None, actor="ann", reason="first", effective_at=AT,
                          made_at=AT)  # fmt: skip
    chart = charts.line(Line("auc", (point,)), [promotion], str)
    assert ([PLAIN], PLAIN) == (chart["versions"], chart["marks"][0]["label"])


def test_no_name_is_part_of_a_template() -> None:
    """The script's templates are constant: Plotly would expand `%{y}` in a name."""
    script = Path(charts.__file__).with_name("static") / "app.js"
    templates = re.findall(r"hovertemplate: *(.)", script.read_text())
    assert ['"'] * 3 == templates
