"""Printable text: escapes what would steer a terminal or forge a log line in text from data.

Categories, topics, versions, reasons and error messages are chosen by whoever writes events. An escape sequence among
them could move the cursor, rename the window or paste into it; a line break could forge a line; a bidirectional
override could reverse a sentence.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories without a shape of their own: control, format, surrogate, line and paragraph separators."""


def visible(text: str, *, breaks: bool = False) -> str:
    r"""Return text with each character that has no shape of its own escaped as in Python.

    These are Unicode's control, format and surrogate characters and its separators of lines and paragraphs: escape
    sequences, C1 controls, DEL, bidirectional overrides, zero-width characters, byte-order marks. All other text,
    including emoji and right-to-left letters, is unchanged.

    Parameters
    ----------
    text
        Any text.
    breaks
        Whether line feeds stay.

    Examples
    --------
    >>> print(visible("a\x1b[2Jb\n\x9b\u202e\ud83d caf\u00e9"))
    a\x1b[2Jb\n\x9b\u202e\ud83d café
    """
    if text.isprintable():
        return text
    return "".join(_shown(c, breaks) for c in text)


def _shown(c: str, breaks: bool) -> str:
    if unicodedata.category(c) not in _STEERING or (breaks and c == "\n"):
        return c
    return c.encode("unicode_escape").decode("ascii")
