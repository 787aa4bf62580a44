"""A rich console that escapes control characters in all text, so that no value of the data can control the terminal.

Values are escaped when they become cells and sentences (`leeway.terminal.show`); this is the second line of defence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import console, segment
from rich.console import ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult

from features.security.printable import visible


class Console(console.Console):
    """A rich console that prints control characters in text as escapes, except line breaks."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.push_render_hook(_Hook())

    def out(self, *objects: Any, **options: Any) -> None:
        """Print *objects* without wrapping or markup, control characters escaped."""
        super().out(*(visible(str(one), breaks=True) for one in objects), **options)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Shown(one) for one in renderables]


class _Shown:
    """A renderable with only rich's own control codes."""

    def __init__(self, shown: RenderableType) -> None:
        self._shown = shown

    def __rich_console__(self, on: console.Console, options: ConsoleOptions) -> RenderResult:
        return _plain(on.render(self._shown, options))


def _plain(segments: Iterable[segment.Segment]) -> Iterable[segment.Segment]:
    for one in segments:
        text = one.text if one.control else visible(one.text, breaks=True)
        yield one if text == one.text else segment.Segment(text, one.style)
