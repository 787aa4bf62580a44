"""Fuzzing of the decoder: malformed records by the million, in all formats, as files and as Kafka records.

Each batch has a seed of its own, which is printed where something does not hold: the same batch can be made again.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter

from tests.support import fuzz_invariants as holds

RECORDS, BATCH = 1_000_000, 10_000


def run(way: str, seed: int, number: int) -> tuple[holds.Tally, float]:
    """Decode so many records, and return what they came to and in how many seconds of the CPU, making them included."""
    whole, began = holds.Tally(reasons=Counter()), time.process_time()
    while whole.records < number:
        batch = seed * 1_000_000 + whole.records
        try:
            tally = holds.WAYS[way](batch, min(BATCH, number))
        except BaseException:
            print(f"{way}: the batch with seed {batch} does not hold")
            raise
        whole.records += tally.records
        whole.rows += tally.rows
        whole.reasons += tally.reasons
    return whole, time.process_time() - began


def main() -> None:
    """Fuzz all formats, a like number of records each, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    total = 0
    for way in holds.WAYS:
        tally, seconds = run(way, asked.seed, asked.records // len(holds.WAYS) + 1)
        total += tally.records
        aside = tally.reasons.total()
        assert tally.records == tally.rows + aside  # each is counted once
        print(f"{way}: {tally.records:,} records, {tally.rows:,} rows, {aside:,} set aside, "
              f"{tally.records / seconds:,.0f} a second")  # fmt: skip
        for reason, count in tally.reasons.most_common(5):
            print(f"    {count:9,}  {reason}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{total:,} records, every one counted; peak memory {peak:,} MB")


if __name__ == "__main__":
    main()
