"""Lazy imports of commands: a command's module is imported when it is run, so `leeway status` loads no engine."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar

import click
import typer
from click.exceptions import NoSuchCommand
from typer.core import TyperGroup


class LazyGroup(TyperGroup):
    """A group whose commands are in modules that are imported on demand; the help imports all of them.

    A module has ``register(app)``, which adds its commands to a Typer app.
    """

    modules: ClassVar[Mapping[str, str]] = {}
    """The module of each command by name, in the order of the help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names: those of modules, then those added to the app itself."""
        return [*self.modules, *super().list_commands(ctx)]

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return the command that *args* begin with. Raises NoSuchCommand, which suggests similar names."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            raise NoSuchCommand(error.command_name, possibilities=self.list_commands(ctx), ctx=ctx) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:
        """Return the command called *cmd_name*, None if there is none."""
        module = self.modules.get(cmd_name)
        if module is None:
            return super().get_command(ctx, cmd_name)
        app = typer.Typer(rich_markup_mode="markdown")
        importlib.import_module(module).register(app)
        return typer.main.get_group(app).commands[cmd_name]
