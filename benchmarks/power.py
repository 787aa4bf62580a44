"""Detection delay at equal false-alarm rates: `python -m benchmarks.power [--part PART] [--quick] [--write]`.

Leeway runs as it ships, at a budget of one false alarm in 500 slices. How often it alarms in 60 slices without a change
is measured, and the lines of all other methods are drawn, on streams of the very world that they are tried in, so that
they alarm as often: a knowledge that nobody has who monitors something. Parts are a feature that changes, losses that
rise, concepts that change, and single records. `--write` puts their tables into docs/statistics/power.md. Seeded; on
one core a quarter of an hour for features, three minutes for losses, ten for concepts; `--quick` a tenth of that.
"""

from __future__ import annotations

import argparse
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    STEADY_LOSSES,
    WOBBLING,
    WOBBLING_LOSSES,
    Lines,
)

PAGE = Path(__file__).parent.parent / "docs" / "statistics" / "power.md"
KINDS = "features", "loss"
PARTS: Mapping[str, Sequence[str]] = {
    "features": (PLAIN, WOBBLING),
    "losses": (STEADY_LOSSES, WOBBLING_LOSSES),
    "concepts": tuple(concepts.RECIPES),
}
"""The worlds of each part, by name."""
RECORDS = "records"
"""The part on single losses, which has a world of its own."""
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


def chances(known: Mapping[str, Mapping[str, Floats]]) -> dict[str, float]:
    """Return how often Leeway's feature panels, and its performance panels if any, alarm in a run without a change."""
    runs = {kind: [h[m] for h in known.values() if m in h] for kind, m in zip(KINDS, PANELS, strict=False)}
    hits = {kind: np.concatenate(of) >= np.log(BUDGET) for kind, of in runs.items() if of}
    return {kind: max(float(of.mean()), 1 / len(of)) for kind, of in hits.items()}


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
            kind = KINDS[method not in COLUMNS and rows.error is not None]
            out.setdefault(method, []).append(tuned.first(path, lines[kind].at(method)))
    own = lines[KINDS[rows.error is not None]]
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


def report(part: str, plan: Plan) -> str:
    """Measure a part, and return its tables."""
    if part == RECORDS:
        return by_record.report()
    known = {null: highest(null, plan) for null in PARTS[part]}
    chance = chances(known)
    lines = {null: _lines(null, h, chance) for null, h in known.items()}
    found = {f.name: tried(f, lines[f.null], plan.repetitions) for f in FAMILIES if f.null in known}
    still = {f.name: tried(f, lines[f.null], plan.checks) for f in STILL if f.null in known}
    shipped = {f"no change: {null}": _as_shipped(h) for null, h in known.items()}
    told = ", ".join(f"{kind} {value:.3f}" for kind, value in chance.items())
    of_columns = ["#### The same, seen in the features alone", table(found, IN_COLUMNS)]
    return "\n\n".join([
        f"{_versions(plan)} Leeway's chance of a false alarm in {AFTER} slices: {told}; promised {AFTER / BUDGET:.2f}.",
        table(found, IN_FEATURES if part == "features" else IN_LOSSES), *(of_columns if part == "concepts" else []),
        "#### No change: how many runs had an alarm", rates(still, _there(still, RATED)),
        "#### No change: the others' lines as shipped", rates(shipped, _there(shipped, SHIPPED)),
    ])  # fmt: skip


def _there(found: Mapping[str, Found], methods: Sequence[str]) -> list[str]:
    """Return those of the *methods* that somewhere found something."""
    return [m for m in methods if any(m in of for of in found.values())]


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
    parser.add_argument("--part", action="append", choices=[*PARTS, RECORDS], help="only this one; may be repeated")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    for name in ("nulls", "checks"):
        parser.add_argument(f"--{name}", type=int, help=f"so many {name} instead of the plan's")
    args = parser.parse_args()
    plan = QUICK if args.quick else Plan()
    plan = replace(plan, nulls=args.nulls or plan.nulls, checks=args.checks or plan.checks)
    for part in args.part or [*PARTS, RECORDS]:
        text = report(part, plan)
        print(text)
        if args.write:
            PAGE.write_text(_with_part(PAGE.read_text(), part, text))


def _with_part(page: str, part: str, text: str) -> str:
    return re.sub(rf"(?s)(<!-- {part} -->\n).*(<!-- end of {part} -->)", lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page)


if __name__ == "__main__":
    main()
