"""Files of Kafka records as they came: bytes, partition and offset, and the Avro schemas by which they are read.

What reads a directory reads such a file as it would read the topic: by the same decoder, with the same reasons for what
is rejected, and with partition and offset as the place. Columns that nobody reads yet are in it, too.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features import errors
from features.files import parquet_rows
from features.files.file_chunks import RECORDS_MARK, Chunk
from features.kafka.records import Records
from features.values.arrow_columns import basic

_PARTITION, _OFFSET, _VALUE = "partition", "offset", "value"


def table(records: Records) -> pa.Table:
    """Return records as the table of a file, with what their reader has to know in its metadata."""
    columns = {
        _PARTITION: pa.array(records.partitions, pa.int32()),
        _OFFSET: pa.array(records.offsets, pa.int64()),
        _VALUE: pa.array(records.values, pa.binary()),
    }
    own = {"topic": records.topic, "format": records.format, "schemas": records.schemas}
    return pa.table(columns).replace_schema_metadata({RECORDS_MARK: json.dumps(own).encode()})


def read(chunk: Chunk) -> Records:
    """Return the records of row groups of a file that :func:`table` made.

    Raises
    ------
    DataError
        The file is another one, or damaged.
    OSError
        It cannot be opened.
    """
    rows = parquet_rows.read(chunk, [_PARTITION, _OFFSET, _VALUE]).table
    try:
        own: dict[str, Any] = json.loads((pq.read_metadata(chunk.path).metadata or {})[RECORDS_MARK])
        partitions, offsets, values = (basic(rows[name]) for name in (_PARTITION, _OFFSET, _VALUE))
        return Records(own["topic"], own["format"], partitions.cast(pa.int32()).to_pylist(),
                       offsets.cast(pa.int64()).to_pylist(), values.cast(pa.binary()).to_pylist(),
                       schemas=own["schemas"])  # fmt: skip
    except (pa.ArrowException, ValueError, LookupError, TypeError) as error:
        msg = f"{chunk.path} is no file of Kafka records: {type(error).__name__}: {error}"
        raise errors.DataError(msg) from error
