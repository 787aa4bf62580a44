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
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from features.errors import ProjectError, RegistryError
from features.security import secret_file
from registry.audit_log import digests
from registry.records import AuditEntry

MIN_KEY_BYTES = 16
"""Bytes below which a key could be guessed."""
_KEY_HINT = (
    "run as its owner, or set audit.key_env. If others could read it, `chmod 600 {path}`; if somebody may have, remove "
    "it and run `leeway audit accept`, which goes on with a new key"
)
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
        """The signer; None where no key was made yet. RegistryError if it cannot be read, or others may read it."""
        return self._signer(secret_file.existing)

    def signer(self) -> Signer | None:
        """Return the signer, with a new key where there is none; None, with a warning, where that fails."""
        try:
            return self._signer(secret_file.read)
        except RegistryError as error:
            _log.warning("The audit log goes on unsigned, and the next audit will name its lines: %s", error)
            return None

    def _signer(self, read: Callable[[Path], str | None]) -> Signer | None:
        """Return the signer of the secret, or of what *read* returns of the key's file; None if that is None."""
        if self.secret:
            return Signer.of(self.secret.encode())
        try:
            key = read(self.key_path)
        except ProjectError as error:
            msg = f"the audit log's signatures have no key: {error.message}"
            raise RegistryError(msg, hint=_KEY_HINT.format(path=self.key_path)) from error
        return None if key is None else Signer.of(key.encode())

    def add(self, end: AuditEntry, signer: Signer) -> None:
        """Add an entry that the log ended with *end*; a failure is only a warning, since the log itself is written."""
        try:
            self._add(end, signer)
        except (OSError, ValueError) as error:
            _log.warning("Line %s of the audit log is not in the file of signed heads: %s", end.seq, error)

    def _add(self, end: AuditEntry, signer: Signer) -> None:
        """Append an entry, signed together with the one before it."""
        with self._alone() as file:
            (parsed,) = _parsed([_last_line(file).decode("utf-8", "replace")])
            last = parsed if isinstance(parsed, Head) else None  # what is no entry is named by the next audit
            _write(file, _entry(end, signer, last))

    @contextmanager
    def _alone(self) -> Iterator[IO[bytes]]:
        """Yield the file, made where there is none, while no other process has it.

        Who has waited while it was archived would write into the archive, and so opens the new one.
        """
        while True:
            with os.fdopen(os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
                if self._is_current(file):
                    yield file
                    return

    def _is_current(self, file: IO[bytes]) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

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

    def begin_anew(self, end: AuditEntry, signer: Signer | None, stamp: str) -> Path | None:
        """Archive the file under a name with *stamp* in it, and begin a new one with an entry that the log ended there.

        No other process adds an entry in between, which would then be the first of the new file. There is no new file
        yet if *signer* is None. Returns the archive, None where there was nothing to archive; raises RegistryError if
        the file cannot be read or written.
        """
        aside = self.path.with_name(f"{self.path.stem}-until-{stamp}{self.path.suffix}")
        line = _entry(end, signer, None) if signer else b""
        try:
            with self._alone() as file:
                if file.seek(0, os.SEEK_END) == 0:
                    _write(file, line)
                    return None
                os.link(self.path, aside)
                self._replace(line)
        except OSError as error:
            msg = f"the file of signed heads cannot be archived: {error}"
            raise RegistryError(
                msg, hint=f"give this user the right to write {self.path.parent}, and repeat"
            ) from error
        return aside

    def _replace(self, line: bytes) -> None:
        """Put a file with one line in the place of the file, which appears whole; none if the line is empty."""
        if not line:
            self.path.unlink()
            return
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".", suffix=".tmp")  # its owner's alone
        with os.fdopen(handle, "wb") as file:
            _write(file, line)
        Path(name).replace(self.path)


def _entry(end: AuditEntry, signer: Signer, last: Head | None) -> bytes:
    """Return the line of the entry after *last* that the log ended with *end*."""
    content = {"n": last.n + 1 if last else 1, "seq": end.seq, "hash": end.hash, "at": end.at,
               "previous": last.signature if last else ""}  # fmt: skip
    head = Head.model_validate({**content, "signature": ""})
    made = head.model_copy(update={"signature": signer.sign(head.text)})
    return made.model_dump_json().encode() + b"\n"


def _write(file: IO[bytes], line: bytes) -> None:
    """Write a line to the disk: entries that a power cut took would be missed as those that somebody cut off."""
    file.write(line)
    file.flush()
    os.fsync(file.fileno())


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
