"""The ends of the audit log, signed and outside of the database: who can write the one cannot rewrite the other.

After each transaction its last line's number and hash go into a file of JSON lines, each with an HMAC-SHA256 over it
and over the entry before it. The key is a file for its owner alone, or a variable of the environment; a copy of the
database is of no use without it.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from features.errors import RegistryError
from registry.audit_log import digests
from registry.records import AuditEntry

LEAST_KEY = 16
"""Characters or bytes below which a key could be guessed."""
_log = logging.getLogger(__name__)


class Head(BaseModel):
    """Entry number *n* of the file: at *at* the log ended with line *seq* of that *hash*."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    seq: int
    hash: str
    at: datetime
    previous: str
    signature: str

    @property
    def text(self) -> str:
        """What the signature covers."""
        return digests.canonical(self.model_dump(exclude={"signature"}))


class Signer(NamedTuple):
    """Signs with a secret *key*. *name* tells keys apart and gives nothing of them away."""

    key: bytes
    name: str

    @classmethod
    def of(cls, key: bytes) -> Signer:
        """Return the signer of *key*; RegistryError if it is too short to be secret."""
        if len(key) < LEAST_KEY:
            msg = f"the key of the audit log's signatures has {len(key)} bytes, fewer than {LEAST_KEY}"
            raise RegistryError(msg, hint="make a longer one: python -c 'import secrets; print(secrets.token_hex(32))'")
        return cls(key, hashlib.sha256(b"leeway audit key " + key).hexdigest()[:12])

    def sign(self, text: str) -> str:
        """Return the HMAC-SHA256 of *text* in hex."""
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()

    def signed(self, text: str, signature: object) -> bool:
        """Return whether *signature* is that of *text*."""
        return isinstance(signature, str) and hmac.compare_digest(self.sign(text).encode(), signature.encode())


@dataclass(frozen=True)
class Heads:
    """The file of signed heads *path*, and its key: *secret* where one is given, else the file *key_path*."""

    path: Path
    key_path: Path
    secret: str = ""

    @classmethod
    def beside(cls, artifacts: Path, secret: str = "") -> Heads:
        """Return those in the folder that holds the folder *artifacts*."""
        return cls(artifacts.parent / "audit-heads.jsonl", artifacts.parent / "audit-key", secret)

    @property
    def known(self) -> Signer | None:
        """The signer, None where no key was ever made. RegistryError if the key cannot be read."""
        if self.secret:
            return Signer.of(self.secret.encode())
        try:
            return Signer.of(self.key_path.read_bytes().strip())
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"the key of the audit log's signatures cannot be read: {error}"
            raise RegistryError(msg, hint="run as the user who owns it, or set audit.key_env") from error

    def signer(self) -> Signer | None:
        """Return the signer, with a new key where there is none; None, with a warning, where none can be had."""
        try:
            return self.known or self._made()
        except (OSError, RegistryError) as error:
            _log.warning("The audit log goes on unsigned, and the next audit will name its lines: %s", error)
            return None

    def _made(self) -> Signer | None:
        """Make the key, unless another process makes it at the same moment; it appears whole or not at all."""
        self.key_path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.key_path.parent, prefix=".", suffix=".tmp")  # its owner's alone
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
        try:
            os.link(name, self.key_path)
        except FileExistsError:
            pass
        finally:
            Path(name).unlink()
        return self.known

    def add(self, end: AuditEntry, signer: Signer) -> None:
        """Write down that the log ended with *end*; what cannot be written is a warning, for the log is written."""
        try:
            self._add(end, signer)
        except (OSError, ValueError) as error:
            _log.warning("Line %s of the audit log is not in the file of signed heads: %s", end.seq, error)

    def _add(self, end: AuditEntry, signer: Signer) -> None:
        with os.fdopen(os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            (parsed,) = _parsed([_last_line(file).decode("utf-8", "replace")])
            last = parsed if isinstance(parsed, Head) else None  # what is no entry is named by the next audit
            content = {"n": last.n + 1 if last else 1, "seq": end.seq, "hash": end.hash, "at": end.at,
                       "previous": last.signature if last else ""}  # fmt: skip
            head = Head.model_validate({**content, "signature": ""})
            made = head.model_copy(update={"signature": signer.sign(head.text)})
            file.write(made.model_dump_json().encode() + b"\n")

    def read(self) -> list[Head | str]:
        """Return the entries, and the text of each line that is none; nothing where there is no file.

        Raises:
            RegistryError: the file cannot be read.
        """
        try:
            lines = self.path.read_bytes().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = f"the file of signed heads cannot be read: {error}"
            raise RegistryError(msg, hint="run as the user who owns it") from error
        return list(_parsed(lines))

    def put_away(self, stamp: str) -> Path | None:
        """Give the file another name, which holds *stamp*, so that a new one begins; return it, None without a file."""
        aside = self.path.with_name(f"{self.path.stem}-until-{stamp}{self.path.suffix}")
        try:
            return self.path.rename(aside)
        except FileNotFoundError:
            return None


def _last_line(file: IO[bytes]) -> bytes:
    """Return the last whole line; the rest of one that a crash has cut off is made a line of its own."""
    end = file.seek(0, os.SEEK_END)
    start, tail = end, b""
    while start and tail.strip().count(b"\n") < 1:
        step = min(1024, start)
        start -= step
        file.seek(start)
        tail = file.read(step) + tail
    if tail and not tail.endswith(b"\n"):
        file.write(b"\n")
        tail = tail.rpartition(b"\n")[0]
    return tail.strip().rpartition(b"\n")[2]


def _parsed(lines: Sequence[str]) -> Iterator[Head | str]:
    for line in lines:
        try:
            yield Head.model_validate_json(line)
        except ValidationError:
            yield line
