"""Options that several commands have, once."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""The result as one JSON document on stdout, and nothing else there; see `docs/command-line.md`."""
