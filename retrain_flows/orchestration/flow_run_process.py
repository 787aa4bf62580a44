"""Process of one flow run, which `leeway flows serve` starts: Prefect's engine, patient with its server.

Errors are on Prefect's pages and in ``logs/prefect.log``, with their tracebacks; the console has a line.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path


def command() -> list[str]:
    """Return the command of the process of the flow run that its environment names."""
    return [sys.executable, "-m", __name__]


def main() -> None:
    """Run the flow run that the environment names."""
    # Prefect takes seconds to import, and reads its settings then.
    from retrain_flows.orchestration import prefect_outage, server_settings

    server_settings.log_to(Path(os.environ["PREFECT_HOME"]).parent)
    prefect_outage.be_patient()
    sys.argv[1:] = []
    runpy.run_module("prefect.engine", run_name="__main__")


if __name__ == "__main__":
    main()
