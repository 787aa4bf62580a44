"""Detection delay at equal false-alarm rates: `python -m benchmarks.power [--quick] [--write]`.

Leeway runs as it ships, at a budget of one false alarm in 500 slices. How often it alarms in 60 slices without a change
is measured, and the lines of all other methods are drawn, on streams of the very world that they are tried in, so that
they alarm as often: a knowledge that nobody has who monitors something. `--write` puts the tables into
docs/statistics/power.md. Seeded; one core, about four minutes; `--quick` one.
"""

from __future__ import annotations

import argparse
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks import by_record, changes, concepts, trial, tuned
from benchmarks.changes import AFTER, ROWS, Floats
from benchmarks.families import FAMILIES, STILL, Family
from benchmarks.trial import (
    BUDGET,
    BY_ROW,
    COLUMNS,
    EARLIER,
    FINELY,
    LOSSES,
    NULLS,
    ORACLE,
    PANELS,
    PLAIN,
    WOBBLING,
    Lines,
)

PAGE = Path(__file__).parent.parent / "docs" / "statistics" / "power.md"
Found = Mapping[str, Sequence[float]]
"""By method, the slice of the first alarm in each repetition; infinite if there was none."""


@dataclass(frozen=True)
class Plan:
    """How often changes are tried, and how many runs without a change lines and rates are taken from."""

    repetitions: int = 20
    nulls: int = 200
    columns: int = 800
    checks: int = 60


QUICK = Plan(repetitions=3, nulls=20, columns=50, checks=3)


def highest(null: str, plan: Plan) -> dict[str, Floats]:
    """Return each method's largest number in each run without a change; an oracle's by the family it is for."""
    world, known = NULLS[null](), [f for f in FAMILIES if f.null == null]
    out: dict[str, list[float]] = {}
    seen = []
    for k in range(plan.nulls):
        rows = trial.stream(world, trial.none, trial.generator("null", null, str(k)))
        paths = trial.windows(null, world, rows)
        paths |= {f.name: tuned.cusum(f.world().llr(rows, *f.goal)[-AFTER:]) for f in known}
        seen.append(trial.watched(rows))
        for method, path in paths.items():
            out.setdefault(method, []).append(float(path.max()))
    both = rows.error is None
    seen += [trial.column(world, trial.generator("column", null, str(k))) for k in range(plan.columns * both)]
    out |= {method: found.max(axis=1).tolist() for method, found in trial.row_paths(seen, both=both).items()}
    binary = np.isin(seen[0], (0, 1)).all()
    rng = trial.generator("kswin", null)
    out["KSWIN"] = [float(trial.kswin_path(x, rng).max()) for x in seen] if binary else []
    return {method: np.array(values) for method, values in out.items()}


def chances(known: Mapping[str, Mapping[str, Floats]]) -> tuple[float, float]:
    """Return how often Leeway's feature panels, and its performance panels, alarm in a run without a change."""
    runs = ([h[m] for h in known.values() if m in h] for m in PANELS[:2])
    hits = [np.concatenate(r) >= np.log(BUDGET) for r in runs]
    return tuple(max(float(h.mean()), 1 / len(h)) for h in hits)  # type: ignore[return-value]


def tried(family: Family, lines: Mapping[str, Lines], repetitions: int) -> Found:
    """Return what each method found in the repetitions of a family."""
    world = family.world()
    out: dict[str, list[float]] = {}
    seen = []
    for k in range(repetitions):
        rows = trial.stream(world, family.schedule, trial.generator(family.name, str(k)))
        paths = trial.windows(family.null, world, rows)
        if family.schedule is not trial.none:
            paths[family.name] = tuned.cusum(world.llr(rows, *family.goal)[-AFTER:])
        if family.null == PLAIN:
            paths[FINELY] = trial.finely(world, family.schedule, trial.generator(family.name, str(k), "finely"))
        seen.append(trial.watched(rows))
        for method, path in paths.items():
            kind = "features" if method in COLUMNS else "loss"
            out.setdefault(method, []).append(tuned.first(path, lines[kind].at(method)))
    own = lines["loss" if rows.error is not None else "features"]
    ways = trial.row_paths(seen, both=rows.error is None)
    out |= {method: [tuned.first(path, own.at(method)) for path in found] for method, found in ways.items()}
    rng, line = trial.generator("kswin", family.name), own.at("KSWIN")
    out["KSWIN"] = [tuned.first(trial.kswin_path(x, rng, line), line) for x in seen]
    return {ORACLE if method == family.name else method: found for method, found in out.items()}


def cell(found: Sequence[float]) -> str:
    """Return the median delay and its interval; before it how many were found, if not all.

    >>> cell([4.0] * 20), cell([np.inf] * 20)
    ('4 (4-4)', '0/20')
    """
    n, hits = len(found), int(np.isfinite(found).sum())
    share = "" if hits == n else f"{hits}/{n}"
    if 2 * hits <= n:
        return share
    draws = np.random.default_rng(0).choice(found, (2000, n))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975), method="nearest")
    return f"{share} {_slices(float(np.median(found)))} ({_slices(low)}-{_slices(high)})".strip()


def _slices(delay: float) -> str:
    return f"{delay:g}" if np.isfinite(delay) else "never"


def table(found: Mapping[str, Found], methods: Mapping[str, str]) -> str:
    """Return a table of *found*, by family, with a column for each of *methods*, which have a title each."""
    lines = [["", *methods.values()], ["---"] * (len(methods) + 1)]
    lines += [[name, *(cell(of[m]) if m in of else "" for m in methods)] for name, of in found.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rates(found: Mapping[str, Found], methods: Sequence[str]) -> str:
    """Return a table of how many runs without a change each method alarmed in."""
    lines = [["", *methods], ["---"] * (len(methods) + 1)]
    lines += [[name, *(_rate(of[m]) if m in of else "" for m in methods)] for name, of in found.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rate(found: Sequence[float]) -> str:
    hits, n = int(np.isfinite(found).sum()), len(found)
    low, high = stats.binomtest(hits, n).proportion_ci()
    return f"{hits / n:.2f} ({low:.2f}-{high:.2f})"


IN_FEATURES = {
    PANELS[0]: "Leeway",
    EARLIER[0]: "bets on tails alone",
    FINELY: f"Leeway, slices of {ROWS // trial.FINE} rows",
    COLUMNS[0]: "Evidently, any column",
    COLUMNS[1]: "Evidently, half of the columns",
    COLUMNS[2]: "NannyML, any column",
    COLUMNS[3]: "GLR of slices, any column",
    COLUMNS[4]: "CVM of 4 slices, any column",
    **{m: f"{m}, any column" for m in BY_ROW},
    ORACLE: ORACLE,
}
IN_LOSSES = {
    PANELS[1]: "Leeway, loss",
    EARLIER[1]: "bets on tails alone",
    PANELS[2]: "Leeway, loss or features",
    LOSSES[0]: "NannyML, error",
    LOSSES[1]: "GLR of slices, error",
    **{m: f"{m}, errors" for m in BY_ROW},
    ORACLE: ORACLE,
}
IN_COLUMNS = {m: IN_FEATURES[m] for m in (PANELS[0], *COLUMNS)}
SHIPPED = (*COLUMNS[:3], LOSSES[0])
"""Those that ship with a line."""
RATED = (PANELS[0], EARLIER[0], FINELY, *PANELS[1:], EARLIER[1], *COLUMNS, *LOSSES, *BY_ROW)


def report(plan: Plan) -> str:
    """Measure, and return the tables."""
    known = {null: highest(null, plan) for null in NULLS}
    chance = dict(zip(("features", "loss"), chances(known), strict=True))
    lines = {null: _lines(null, h, chance) for null, h in known.items()}
    found = {f.name: tried(f, lines[f.null], plan.repetitions) for f in FAMILIES}
    still = {f.name: tried(f, lines[f.null], plan.checks) for f in STILL}
    shipped = {f"no change: {null}": _as_shipped(h) for null, h in known.items()}
    unlabelled = {f.name: found[f.name] for f in FAMILIES if f.null in (PLAIN, WOBBLING)}
    labelled = {name: of for name, of in found.items() if name not in unlabelled}
    of_concepts = {f.name: found[f.name] for f in FAMILIES if f.null in concepts.RECIPES}
    told = ", ".join(f"{kind} {value:.3f}" for kind, value in chance.items())
    return "\n\n".join([
        f"{_versions(plan)} Leeway's chance of a false alarm in {AFTER} slices: {told}; promised {AFTER / BUDGET:.2f}.",
        "### A feature changes", table(unlabelled, IN_FEATURES),
        "### What is to be predicted changes: losses and errors", table(labelled, IN_LOSSES),
        "### The same, seen in the features alone", table(of_concepts, IN_COLUMNS),
        "### No change: how many runs had an alarm", rates(still, RATED),
        "### No change: the others' lines as shipped", rates(shipped, SHIPPED),
        "### Single losses: records until the first alarm, at Leeway's defaults", by_record.report(),
    ])  # fmt: skip


def _versions(plan: Plan) -> str:
    packages = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy", "scikit-learn", "river"))
    return f"Seed {trial.SEED}, {plan}; Python {platform.python_version()}, {packages}."


def _lines(null: str, known: Mapping[str, Floats], chance: Mapping[str, float]) -> dict[str, Lines]:
    columns = changes.Normal.features if null in (PLAIN, WOBBLING) else 1
    return {kind: Lines(known, part, columns) for kind, part in chance.items()}


def _as_shipped(known: Mapping[str, Floats]) -> Found:
    lines = {m: tuned.EVIDENTLY if "Evidently" in m else tuned.NANNYML for m in SHIPPED if m in known}
    return {m: np.where(known[m] > line, 1.0, np.inf).tolist() for m, line in lines.items()}


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    text = report(QUICK if args.quick else Plan())
    print(text)
    if args.write:
        old = PAGE.read_text()
        PAGE.write_text(
            re.sub(r"(?s)(<!-- measured -->\n).*(<!-- end -->)", lambda m: f"{m[1]}\n{text}\n\n{m[2]}", old)
        )


if __name__ == "__main__":
    main()
