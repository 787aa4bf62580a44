"""An embedded Flink that runs Python functions: its ports accept this user's processes only."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
#: Runs a slow function, and tells meanwhile where this process and its Java listen, and how they answer a stranger.
RUN = """
import json, os, socket, ssl, sys, threading, time
from pathlib import Path
import psutil
from monitors.flink import environment_job
from pyflink.table import DataTypes
from pyflink.table.expressions import col
from pyflink.table.udf import udf

tables, done = environment_job.environment(Path(sys.argv[1]), streaming=False), Path(sys.argv[1]) / "done"

@udf(result_type=DataTypes.STRING())
def look(x):
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    found = []
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        for c in process.net_connections("tcp"):
            if c.status == psutil.CONN_LISTEN:
                answer = "open"
                try:
                    with socket.create_connection(("127.0.0.1", c.laddr.port), 3) as raw:
                        with anybody.wrap_socket(raw) as wrapped:
                            wrapped.settimeout(3)
                            wrapped.recv(1)
                except ssl.SSLError as error:
                    answer = "closed" if "CERTIFICATE" in str(error.reason) else "open"
                except OSError:
                    pass
                found.append([process.name(), c.laddr.ip, answer])
    return json.dumps(found)

rows = list(tables.from_elements([(1,)], ["a"]).select(look(col("a"))).execute().collect())
print(rows[0][0])
"""


def test_what_an_embedded_flink_opens_is_for_nobody_else(tmp_path: Path) -> None:
    """Python's own ports are on loopback; Java's REST service and its blob service want a certificate."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, timeout=280, check=False
    )
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    python = {address for name, address, _ in found if name.startswith("python")}
    assert {True} == {address.endswith("127.0.0.1") for address in python}
    assert 2 <= [answer for name, _, answer in found if name == "java"].count("closed")
