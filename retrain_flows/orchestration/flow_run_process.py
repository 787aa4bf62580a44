"""Process of one flow run, which `leeway flows serve` starts: Prefect's engine, patient with its server.

What it prints goes to `log`. Its log and its errors are on Prefect's pages too.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path


def command() -> list[str]:
    """Return the command of the process of the flow run that its environment names."""
    return [sys.executable, "-m", __name__]


def log() -> Path:
    """Return the file in the state folder that what runs print is appended to."""
    return Path(os.environ["PREFECT_HOME"]).parent / "logs" / "flow-runs.log"


def main() -> None:
    """Run the flow run that the environment names."""
    from retrain_flows.orchestration import prefect_outage  # Prefect takes seconds to import

    prefect_outage.be_patient()
    sys.argv[1:] = []
    runpy.run_module("prefect.engine", run_name="__main__")


if __name__ == "__main__":
    main()
