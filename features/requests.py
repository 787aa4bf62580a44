"""Events that nobody has answered yet: id, time and features, from the same files and typed by the same codec."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features import codec, readers, sources
from features.schema import PREDICTION, EventSchema, Kind

VERSION = "unanswered"
"""What stands where a prediction has its model version."""


def read_requests(schema: EventSchema, source: Path) -> codec.Decoded:
    """Return every event under *source* (a directory or a file) as a predictions table whose predictions are null.

    A prediction or a version that the events happen to have is not looked at.
    """
    unanswered = schema.model_copy(update={"version": VERSION})
    parts = [_decode(unanswered, c) for path in sources.list_files(source) for c in sources.chunks(path)]
    tables = [p.table for p in parts] or [codec.empty(unanswered, "predictions")]
    table = pa.concat_tables(tables).combine_chunks()
    kind = pa.float64() if schema.prediction_kind is Kind.NUMERIC else pa.string()
    answers = pa.nulls(table.num_rows, kind)
    table = table.set_column(table.column_names.index(PREDICTION), PREDICTION, answers)
    return codec.Decoded(table, tuple(r for p in parts for r in p.rejects))


def _decode(schema: EventSchema, chunk: sources.Chunk) -> codec.Decoded:
    """Decode *chunk* with a stand-in for the answer, which the codec asks of a prediction; rejects keep their place."""
    c = schema.columns
    raw = readers.read(chunk, [c.id, c.time, *schema.features])
    whole = raw.table.append_column(c.prediction, pa.array(np.zeros(raw.table.num_rows)))
    with tempfile.TemporaryDirectory(prefix="leeway-") as folder:
        path = Path(folder, "requests.parquet")
        pq.write_table(whole, path)
        decoded = [codec.decode(schema, "predictions", part) for part in sources.chunks(path)]
    tables = [d.table for d in decoded] or [codec.empty(schema, "predictions")]
    bad = (replace(r, path=chunk.path, line=int(raw.lines[r.line - 1])) for d in decoded for r in d.rejects)
    return codec.Decoded(pa.concat_tables(tables), (*raw.rejects, *bad))
