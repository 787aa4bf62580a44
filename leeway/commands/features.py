"""`leeway features`: what there is to do with features outside of a model."""

from __future__ import annotations

import typer

from leeway.commands import features_build, features_diff

app = typer.Typer(no_args_is_help=True, help="Build training sets; compare logged features with recomputed ones.")
app.command("diff")(features_diff.diff)
app.command("build")(features_build.build)


def register(main: typer.Typer) -> None:
    """Add the group of commands to *main*."""
    main.add_typer(app, name="features")


@app.callback()
def group() -> None:
    """Features: training sets, and logged values beside recomputed ones."""
