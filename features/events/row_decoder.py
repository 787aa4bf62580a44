"""Rows of a chunk as a typed table, with a dead letter for each that cannot be used: events and facts alike."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import errors
from features.events import column_decoder
from features.events.column_decoder import Decoder
from features.files import file_chunks, readers
from features.kafka import record_files, records
from features.schema import FeatureKind
from features.security import printable
from features.values.untyped import Columns, Reject, UntypedRows, reject

_LOG = logging.getLogger("leeway.decode")
ID = "id"
TIME = "time"
VERSION = "model_version"
MAX_FAILURES = 10_000
"""Parts of a chunk that may raise while they are decoded; after that many, a part that raises is no longer halved."""
MAX_DEAD_LETTERS = 1 << 18
"""Dead letters of a chunk; the last one stands for all others, as a small Parquet file may contain millions of
records."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The usable records of a chunk as a typed table, and the rejected ones.

    Parameters
    ----------
    table
        One row per usable record, with the columns of the decoder.
    rejects
        The rejected records.
    lines
        The place of each row, (rows,): its line in the file (from 1), or its index among the Kafka records (from 0).
    """

    table: pa.Table
    rejects: tuple[Reject, ...]
    lines: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), compare=False)


def empty(columns: Columns, *, version: bool = False) -> pa.Table:
    """Return a decoded table without rows; with *version*, a column of model versions is added."""
    arrow = {None: pa.int64(), FeatureKind.NUMERIC: pa.float64(), FeatureKind.CATEGORICAL: pa.string()}
    fields = [(name, arrow[kind]) for name, (_, kind) in columns.items()]
    return pa.schema([*fields, *([(VERSION, pa.string())] if version else [])]).empty_table()


def _nothing(decoder: Decoder) -> pa.Table:
    return empty(decoder.columns, version=bool(decoder.schema.version) and decoder.role == "predictions")


def join(parts: Sequence[Decoded]) -> Decoded:
    """Return the concatenation of *parts*, at least one, in their order."""
    lines = np.concatenate([np.zeros(0, np.int64), *(p.lines for p in parts)])
    table = pa.concat_tables([p.table for p in parts]).combine_chunks()
    return Decoded(table, tuple(r for p in parts for r in p.rejects), lines)


def read(decoder: Decoder, chunk: file_chunks.Chunk) -> Decoded:
    """Return the rows of a chunk of a file; one that cannot be read is one reject."""
    try:
        placed, raws = _untyped(decoder, chunk)
    except errors.DataError as error:  # its records cannot be separated
        return _unreadable(decoder, chunk, f"{error.message} ({error.hint})" if error.hint else error.message)
    except errors.LeewayError:
        raise
    except Exception as error:  # MemoryError too: the file asked for more than there is
        _LOG.warning("%s cannot be read", printable.visible(chunk.path), exc_info=error)
        return _unreadable(decoder, chunk, f"cannot be read: {type(error).__name__}: {error}")
    return decode_all(placed, raws)


def _untyped(decoder: Decoder, chunk: file_chunks.Chunk) -> tuple[Decoder, list[UntypedRows]]:
    """Return the rows of a chunk as they were read, and the decoder that knows their places."""
    if chunk.format != "records":
        return decoder, [readers.read(chunk, decoder.columns, decoder.schema.missing)]
    batch = record_files.read(chunk)
    return replace(decoder, place=batch.place), records.read(batch, decoder.columns)


def decode_all(decoder: Decoder, raws: Iterable[UntypedRows]) -> Decoded:
    """Return rows typed that were read in parts, in their order."""
    parts = [decode(decoder, raw) for raw in raws]
    return join(parts) if parts else Decoded(_nothing(decoder), ())


def _unreadable(decoder: Decoder, chunk: file_chunks.Chunk, why: str) -> Decoded:
    return Decoded(_nothing(decoder), (reject((chunk.path, 0), why, b"", records=readers.count(chunk)),))


def decode(decoder: Decoder, raw: UntypedRows) -> Decoded:
    """Return the rows typed; where that raises, halve them, so that a record that cannot be decoded costs only itself.

    After :data:`MAX_FAILURES` failures a part that raises is rejected whole, which bounds the time.
    """
    todo, done, failures = [raw], list[Decoded](), 0
    while todo:
        part = todo.pop()
        try:
            done.append(_decode_rows(decoder, part))
        except (errors.LeewayError, MemoryError):
            raise
        except Exception as error:  # whatever a record holds, it may end itself and nothing else
            failures += 1
            rows = part.table.num_rows
            if rows > 1 and failures < MAX_FAILURES:
                todo += [part.part(slice(rows // 2, rows)), part.part(slice(0, rows // 2))]
            else:
                done.append(_undecodable(decoder, part, error))
    whole = done[0] if len(done) == 1 else join(done)
    return replace(whole, rejects=raw.rejects + whole.rejects) if raw.rejects else whole


def _undecodable(decoder: Decoder, raw: UntypedRows, error: Exception) -> Decoded:
    """Return all rows as dead letters, with *error* as the reason."""
    _LOG.warning("a record could not be decoded", exc_info=error)
    why = f"cannot be decoded: {type(error).__name__}: {error}"
    lost = tuple(reject(decoder.place(int(line)), why, raw.original_bytes(i)) for i, line in enumerate(raw.lines))
    return Decoded(_nothing(decoder), lost)


def _decode_rows(decoder: Decoder, raw: UntypedRows) -> Decoded:
    """Return the rows typed; a row is rejected for its first bad column, in the order of the decoder's columns.

    The last of :data:`MAX_DEAD_LETTERS` letters stands for all later records that the same column rejects.
    """
    rows, version = raw.table.num_rows, decoder.schema.version if decoder.role == "predictions" else None
    typed: dict[str, pa.Array] = {}
    good, because, stands_for = np.ones(rows, bool), dict[int, tuple[str, str]](), dict[int, int]()
    for name, (source, kind) in decoder.columns.items():
        typed[name], bad, why = column_decoder.decode_column(decoder, raw, (name, source, kind), exact=name == ID)
        new = bad & good
        if new.any():
            lost = np.flatnonzero(new)
            apart = lost[: max(MAX_DEAD_LETTERS - len(because), 1)]
            because |= {int(row): (name, f"{source} is {why(int(row))}") for row in apart}
            stands_for[int(apart[-1])] = 1 + len(lost) - len(apart)
            good &= ~bad
    if version:
        typed[VERSION] = pa.array([version] * rows, pa.string())
    table = pa.table(typed)
    rejects = _dead_letters(decoder, raw, table, because, stands_for)
    return Decoded(table if good.all() else table.filter(pa.array(good)), rejects, raw.lines[good])


def _dead_letters(
    decoder: Decoder,
    raw: UntypedRows,
    typed: pa.Table,
    because: Mapping[int, tuple[str, str]],
    stands_for: Mapping[int, int],
) -> tuple[Reject, ...]:
    """Return the dead letters of rejected rows, with time and version where those could be read.

    Parameters
    ----------
    decoder
        The schema, role and places of the rows.
    raw
        The rows as they were read.
    typed
        The decoded table of all rows.
    because
        Rejected row -> (column, reason).
    stands_for
        Row -> number of records that its letter stands for, where that is more than one.
    """
    rows = sorted(because)
    if not rows:
        return ()
    origin = typed.select([name for name in (TIME, VERSION) if name in typed.column_names]).take(pa.array(rows))
    times = origin[TIME].to_pylist()
    versions = origin[VERSION].to_pylist() if VERSION in origin.column_names else [None] * len(rows)
    letters = list[Reject]()
    for row, time, version in zip(rows, times, versions, strict=True):
        column, reason = because[row]
        own = {"column": column, "time": time, "version": version or "", "records": stands_for.get(row, 1)}
        letters.append(reject(decoder.place(int(raw.lines[row])), reason, raw.original_bytes(row), **own))
    return tuple(letters)
