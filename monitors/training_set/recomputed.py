"""Features of facts in a training set: values that the log does not have, computed of the facts, point in time.

A value that was logged is what the model saw, and stays. Rows from before there was a log, and those that were logged
before the feature was declared, get the value that a server would have filled in (:mod:`features.facts.key_state`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from features.events.decode import TIME
from features.facts import lookup
from features.facts.declaration import FactFeatures
from features.facts.groups import Group, groups
from features.facts.lookup import ARROW, Loaded
from features.transforms import apply as transforms
from features.values import filling
from features.values.untyped import dead_letter, records_of
from features.window import from_ms, to_ms
from monitors.training_set.period import Interval

ROLE = "facts"
"""The role under which records of facts are counted, beside those of events."""
_WHOLE = to_ms(timedelta(days=1))
"""Facts are read for whole days (ms): buckets of one period then mostly need the same ones, which are read once."""


@dataclass
class RecomputedFeatures:
    """Fills in features of facts in joined rows; each process that joins buckets has one, and reads facts once.

    Parameters
    ----------
    declared
        The model's fact features.
    folder
        The set's folder, in which facts that could not be used are noted.
    until
        Where the set's predictions end (ms), which bounds what counts: a past period gives the same set at any time.
    now
        The present, from which times in the future are recognised: those facts are noted.
    """

    declared: FactFeatures
    folder: Path
    until: int
    now: datetime
    _loaded: dict[str, tuple[Interval, Loaded]] = field(default_factory=dict)

    def fill(self, rows: pa.Table) -> pa.Table:
        """Return rows in which each missing value is the one of the facts, as of the row's time, or of its transform.

        Parameters
        ----------
        rows
            Decoded predictions with the columns of all features.

        Raises
        ------
        DataError
            A directory of facts does not exist.
        TransformError
            A function of the project fails.
        """
        for group in groups(self.declared):
            names = [name for name in group.features if rows[name].null_count]
            if names:
                rows = self._filled(rows, group, names)
        return transforms.fill_missing(rows, self.declared.transforms)

    def _filled(self, rows: pa.Table, group: Group, names: list[str]) -> pa.Table:
        """Return rows with the missing values of some features of a group."""
        where = filling.lacking(rows, names)
        some = rows.filter(where)
        made = self._facts(group.source, some).values.columns(some)
        for name in names:
            rows = filling.filled(rows, name, where, pa.array(made[name], ARROW[group.features[name].type]))
        return rows

    def _facts(self, source: str, rows: pa.Table) -> Loaded:
        """Return the facts of a source for the times of rows; those of an earlier call, where it had these times."""
        first, last = pc.min_max(rows[TIME]).as_py().values()
        start, end = first - first % _WHOLE, last - last % _WHOLE + _WHOLE
        if source in self._loaded:
            (begin, until), loaded = self._loaded[source]
            if begin <= start and end <= until:
                return loaded
            start, end = min(start, begin), max(end, until)
        own = {name: one for name, one in self.declared.features.items() if one.source == source}
        declared = FactFeatures(features=own, sources={source: self.declared.sources[source]})
        loaded = lookup.load(declared, start=from_ms(start), end=from_ms(end), now=self.now,
                             until=from_ms(self.until))  # fmt: skip
        self._loaded[source] = (start, end), loaded
        self._note(source, loaded)
        return loaded

    def _note(self, source: str, loaded: Loaded) -> None:
        """Write how many records of a source could not be used, and each of them: of all its files, at any time."""
        about = {"role": ROLE, "part": source, "times": None, "rows": 0, "rejected": records_of(loaded.rejects)}
        notes = {"parts": (f"{ROLE}-{source}.json", [json.dumps(about)]),
                 "rejects": (f"{ROLE}-{source}.jsonl", [dead_letter(ROLE, one) for one in loaded.rejects])}  # fmt: skip
        for kind, (name, lines) in notes.items():
            path = self.folder / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines))
