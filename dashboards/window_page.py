"""The window page's view model: findings ranked by effect over threshold, distributions beside the baseline. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitors.baseline.baseline import Baseline
from monitors.finding import Finding, Verdict
from monitors.report import Report
from monitors.stats.bins import Bins, NumericBins


@dataclass(frozen=True)
class Ranked:
    """A finding with its *ratio* of effect to threshold, above 1 beyond the threshold; None where it is unknown."""

    finding: Finding
    ratio: float | None


@dataclass(frozen=True)
class Shares:
    """One sample's rows by cell: *counts*, and *shares* of their sum (0 if it is 0)."""

    name: str
    counts: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Number of rows counted."""
        return sum(self.counts)

    @property
    def shares(self) -> tuple[float, ...]:
        """Each cell's share of the rows."""
        return tuple(n / self.rows if self.rows else 0.0 for n in self.counts)


@dataclass(frozen=True)
class Distribution:
    """One variable's cells by name, and the samples compared on them, the baseline first."""

    variable: str
    cells: tuple[str, ...]
    samples: tuple[Shares, ...]


def ranked(findings: Sequence[Finding]) -> tuple[Ranked, ...]:
    """Return findings in order: drift first, then by ratio of effect to threshold; those without a ratio last."""
    lines = [Ranked(f, ratio(f)) for f in findings]
    return tuple(sorted(lines, key=_weight))


def _weight(line: Ranked) -> tuple[bool, bool, float, str, str]:
    finding = line.finding
    steady = finding.verdict is not Verdict.DRIFT
    return (steady, line.ratio is None, -(line.ratio or 0.0), finding.signal.value, finding.variable)


def ratio(finding: Finding) -> float | None:
    """Return effect over threshold; None where either is unknown or the threshold is not above 0."""
    if finding.effect is None or not finding.threshold or finding.threshold < 0:
        return None
    return finding.effect / finding.threshold


def variables(baseline: Baseline, report: Report) -> tuple[str, ...]:
    """Return the variables of *report* that have bins, in the order of their findings."""
    drawable = [name for name in report.counts if name in baseline.bins]
    places = [line.finding.variable for line in ranked(report.findings)]
    return tuple(sorted(drawable, key=lambda name: places.index(name) if name in places else len(places)))


def distribution(baseline: Baseline, variable: str, samples: Sequence[tuple[str, Report]]) -> Distribution:
    """Return the counts of *variable* in the baseline and in each named report, cell by cell.

    The baseline's stage and segment are those of the first report. Cells other than the bins proper (out of range,
    missing, unseen) are left out where no sample has a row in them.
    """
    bins, first = baseline.bins[variable], samples[0][1]
    reference = baseline.counts(first.stage, variable, first.segment).sum(axis=0).tolist()
    rows = [("baseline", reference or [0] * bins.cells)]
    rows += [(name, report.counts.get(variable, [0] * bins.cells)) for name, report in samples]
    cells = [i for i in _order(bins) if i < bins.body or any(counts[i] for _, counts in rows)]
    names = cell_names(bins)
    shares = tuple(Shares(name, tuple(int(counts[i]) for i in cells)) for name, counts in rows)
    return Distribution(variable, tuple(names[i] for i in cells), shares)


def cell_names(bins: Bins) -> tuple[str, ...]:
    """Return the cells' names; cells out of range are named by their limits.

    >>> cell_names(NumericBins(edges=(0.0, 1.0)))
    ('[0, 1)', '[-1, 0)', '(1, 2]', 'missing', 'non-finite', 'below -1', 'above 2')
    """
    if not isinstance(bins, NumericBins):
        return bins.labels
    far_low, low, *_, high, far_high = (f"{place:.6g}" for place in bins.positions)
    ends = {
        "under": f"[{far_low}, {low})",
        "over": f"({high}, {far_high}]",
        "far under": f"below {far_low}",
        "far over": f"above {far_high}",
    }
    return tuple(ends.get(label, label) for label in bins.labels)


def _order(bins: Bins) -> tuple[int, ...]:
    """Return the cells in the order in which they are drawn: numbers from low to high, then missing and others."""
    return (*bins.ordered, bins.body + 2, bins.body + 3) if isinstance(bins, NumericBins) else tuple(range(bins.cells))
