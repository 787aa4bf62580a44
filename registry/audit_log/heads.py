"""Signed heads: the last line of each transaction in the audit log, in a file outside of the database.

Who can write the database cannot rewrite that file. After each transaction the number and hash of its last line go
there, as JSON with an HMAC-SHA256 over them and over the entry before. The key is in a file that its owner alone can
read, or in a variable of the environment.
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

MIN_KEY_BYTES = 16
"""Bytes below which a key could be guessed."""
_log = logging.getLogger(__name__)


class Head(BaseModel):
    """Entry number *n* of the file of signed heads: at the time *at* the log ended with line *seq* of that *hash*.

    *previous* is the signature of the entry before it, empty in the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    seq: int
    hash: str
    at: datetime
    previous: str
    signature: str

    @property
    def text(self) -> str:
        """The text that the signature covers."""
        return digests.canonical(self.model_dump(exclude={"signature"}))


class Signer(NamedTuple):
    """A secret *key* for HMAC-SHA256, and its *name*: 12 hex digits that tell keys apart without revealing them."""

    key: bytes
    name: str

    @classmethod
    def of(cls, key: bytes) -> Signer:
        """Return the signer of *key*; RegistryError if it is too short to be secret."""
        if len(key) < MIN_KEY_BYTES:
            msg = f"the key of the audit log's signatures has {len(key)} bytes, fewer than {MIN_KEY_BYTES}"
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
    """The file of signed heads, *path*, and its key: *secret*, or what is in the file *key_path* if that is empty."""

    path: Path
    key_path: Path
    secret: str = ""

    @classmethod
    def beside(cls, artifacts: Path, secret: str = "") -> Heads:
        """Return the signed heads in the folder that *artifacts*, the folder of model files, is in."""
        return cls(artifacts.parent / "audit-heads.jsonl", artifacts.parent / "audit-key", secret)

    @property
    def existing_signer(self) -> Signer | None:
        """The signer; None where no key was made yet. RegistryError if the key cannot be read."""
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
        """Return the signer, with a new key where there is none; None, with a warning, where that fails."""
        try:
            return self.existing_signer or self._new_key()
        except (OSError, RegistryError) as error:
            _log.warning("The audit log goes on unsigned, and the next audit will name its lines: %s", error)
            return None

    def _new_key(self) -> Signer | None:
        """Make the key, unless another process makes it at the same time; the file appears whole or not at all."""
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
        return self.existing_signer

    def add(self, end: AuditEntry, signer: Signer) -> None:
        """Add an entry that the log ended with *end*; a failure is only a warning, since the log itself is written."""
        try:
            self._add(end, signer)
        except (OSError, ValueError) as error:
            _log.warning("Line %s of the audit log is not in the file of signed heads: %s", end.seq, error)

    def _add(self, end: AuditEntry, signer: Signer) -> None:
        """Append an entry, signed together with the one before it, while no other process does."""
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
        """Return the entries, and the text of each line that is no entry; nothing where there is no file.

        Raises
        ------
        RegistryError
            The file cannot be read.
        """
        try:
            lines = self.path.read_bytes().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = f"the file of signed heads cannot be read: {error}"
            raise RegistryError(msg, hint="run as the user who owns it") from error
        return list(_parsed(lines))

    def archive(self, stamp: str) -> Path | None:
        """Rename the file to a name with *stamp* in it, so that a new one begins; return it, None without a file."""
        aside = self.path.with_name(f"{self.path.stem}-until-{stamp}{self.path.suffix}")
        try:
            return self.path.rename(aside)
        except FileNotFoundError:
            return None


def _last_line(file: IO[bytes]) -> bytes:
    """Return the last whole line; a part of a line that a crash has cut off is ended, so that it is one by itself."""
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
