"""Secrets of the servers that Leeway starts: random, each in a file that only its owner can read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from features.errors import ProjectError

BYTES = 32
"""Random bytes in a secret (256 bits)."""


def read(path: Path, prefix: str = "") -> str:
    """Return the secret in a file; if the file does not exist, a random secret is written there first.

    Two processes that come at once get the same secret: the first to write it wins, and the other reads that.

    Parameters
    ----------
    path
        The file.
    prefix
        Text in front of a new secret.

    Raises
    ------
    ProjectError
        The file cannot be read or written, is empty, or may be read by others than its owner.
    """
    secret = existing(path)
    if secret is None:
        try:
            _make(path, prefix)
        except OSError as error:
            raise _unusable(path, error) from error
        secret = existing(path)
    if secret is None:
        raise _unusable(path, "it was removed just now")
    return secret


def existing(path: Path) -> str | None:
    """Return the secret in a file, None if there is none yet; raises ProjectError as :func:`read` does."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            msg = f"others than its owner may use the secret {path}"
            raise ProjectError(msg, hint="remove it, so that a new one is made, and start what uses it anew")
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, error) from error
    if not text:
        msg = f"the secret {path} is empty"
        raise ProjectError(msg, hint="remove it, so that a new one is made")
    return text


def _unusable(path: Path, why: object) -> ProjectError:
    return ProjectError(
        f"the secret {path} cannot be read: {why}", hint="give this user the right to, or remove the file"
    )


def _make(path: Path, prefix: str) -> None:
    """Write a random secret in a draft and link it to its name, which fails if another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(prefix + secrets.token_urlsafe(BYTES))
        file.flush()
        os.fsync(file.fileno())  # after a power cut it would be there, and empty
    try:
        os.link(draft, path)  # unlike a rename, it leaves the one that is there
    except FileExistsError:
        pass
    finally:
        draft.unlink()
