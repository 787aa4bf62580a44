"""CPU time of decoding events of 25 features from CSV, JSON Lines and Parquet, here and in another checkout.

``python -m benchmarks.decode --against PATH``: both in turn, each in a process of its own, medians and their ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import speed
from features.events import decode

EVENTS, TIMES = 100_000, 5
FORMATS = ("csv", "jsonl", "parquet")


def write(folder: Path) -> None:
    """Write the same events in every format, a folder each."""
    made = speed.events(EVENTS)
    for form in FORMATS:
        (folder / form).mkdir()
    made.to_csv(folder / "csv" / "e.csv", index=False)
    made.to_json(folder / "jsonl" / "e.jsonl", orient="records", lines=True, double_precision=15)
    made.to_parquet(folder / "parquet" / "e.parquet")


def seconds(folder: Path) -> dict[str, float]:
    """Return the CPU seconds of decoding each format, the least of five times: other work on the machine adds to it."""
    found: dict[str, float] = {}
    for form in FORMATS:
        for _ in range(5):
            began = time.process_time()
            rows = decode.read_events(speed.SCHEMA, "predictions", folder / form).table.num_rows
            found[form] = min(found.get(form, float("inf")), time.process_time() - began)
        if rows != EVENTS:
            msg = f"{rows} of {EVENTS} events of {form} were decoded"
            raise RuntimeError(msg)
    return found


def measured(checkout: Path, folder: Path) -> dict[str, float]:
    """Return what :func:`seconds` gives in another process, with the code of *checkout*."""
    code = f"import sys; sys.path.insert(0, {str(checkout)!r})\n" + _OTHER.format(file=str(Path(__file__).resolve()))
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True, cwd=checkout
    )
    return dict(json.loads(done.stdout))


_OTHER = """
import importlib.util, json, pathlib
spec = importlib.util.spec_from_file_location("decode_here", {file!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(json.dumps(module.seconds(pathlib.Path(sys.argv[1]))))
"""


def main() -> None:
    """Measure, and print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--times", type=int, default=TIMES, help="how often each is measured")
    asked = parser.parse_args()
    checkouts = [Path.cwd(), *([asked.against.resolve()] if asked.against else [])]
    found: dict[Path, list[dict[str, float]]] = {checkout: [] for checkout in checkouts}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for turn in range(asked.times):
            for checkout in checkouts if turn % 2 else checkouts[::-1]:
                found[checkout].append(measured(checkout, Path(folder)))
    for form in FORMATS:
        own, *other = (statistics.median(run[form] for run in found[checkout]) for checkout in checkouts)
        ratio = f", {own / other[0]:.3f} times {other[0]:.3f} s" if other else ""
        print(f"{form}: {own:.3f} s of the CPU for {EVENTS:,} events{ratio}")


if __name__ == "__main__":
    main()
