"""Threads beside a Flink job: what they do with Java does not move the job's calls to another Java thread."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
#: While this thread has a statement planned another one holds a connection, as it does while it releases a Java object.
RUN = """
import sys, threading
from pathlib import Path
from monitors.flink import environment_job
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes

tables = environment_job.environment(Path(sys.argv[1]), streaming=False)
kind = DataTypes.ROW([DataTypes.FIELD("part", DataTypes.STRING())])
tables.create_temporary_view("parts", tables.from_elements([("a",)], kind))
tables.execute_sql("CREATE TEMPORARY TABLE nowhere (part STRING) WITH ('connector' = 'blackhole')")
client, taken, over = get_gateway()._gateway_client, threading.Event(), threading.Event()

def another():
    connection = client._get_connection()
    taken.set()
    over.wait()
    client._give_back_connection(connection)

threading.Thread(target=another).start()
taken.wait()
try:
    tables.execute_sql("INSERT INTO nowhere SELECT part FROM parts GROUP BY part").wait()
finally:
    over.set()
"""


def test_another_thread_does_not_move_statements_to_another_java_thread(tmp_path: Path) -> None:
    """A statement is planned in the Java thread that made its environment, whatever other threads do in between."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, timeout=280, check=False
    )
    assert (0, "") == (ended.returncode, "".join(line for line in ended.stderr.splitlines() if "Error" in line))
