"""`leeway serve`: the champions' answers over HTTP, with a prediction log that monitors read."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from dashboards.host_check import Hosts, OwnPages
from dashboards.security import Password, SafeHeaders
from features import user_code
from features.errors import ProjectError
from features.facts.directory_feed import DirectoryFeed
from features.facts.lookup import FactValues
from features.facts.sqlite_store import SqliteStore
from features.security.file_names import file_name
from features.window import UTC
from leeway import context, dead_letters
from leeway.commands.dashboard import own_hosts, server_secret
from leeway.commands.options import Host, HostNames, Port, address, span
from leeway.context import Context
from leeway.landed import landing
from leeway.project.load import Model
from leeway.terminal import show
from serving import app as serving_app
from serving import server
from serving.online import bodies
from serving.online.fact_features import FactFeatures
from serving.online.fact_feed import FactFeed
from serving.online.follower import Follower
from serving.online.service import ModelService
from serving.online.shadow import Shadow
from serving.prediction_log.log import Limits, PredictionLog

TOKEN = "LEEWAY_SERVE_TOKEN"
FILE = "serve-token"
"""Name of the token's file in the state folder, used where the variable is not set."""
SHORTEST_TOKEN = 24
"""Fewest characters of a token: nobody is made to wait after a wrong one, so that it must not be guessed."""
OPEN = ("/v2/health/live", "/v2/health/ready")
"""Paths that answer without the token, with yes or no: probes of an orchestrator have none."""
THREADS = "OMP_NUM_THREADS"


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(serve)


def serve(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 8322,
    name: HostNames = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="A model to serve; by default all models of the project.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="Directory of the prediction log, by default that of events.predictions.")
    ] = None,
    no_log: Annotated[bool, typer.Option("--no-log", help="Write no prediction log: nothing is monitored.")] = False,
    log_every: Annotated[
        timedelta, typer.Option(parser=span, metavar="SPAN", help="How often the log gets a new file.")
    ] = timedelta(minutes=1),
    shadow: Annotated[
        bool,
        typer.Option("--shadow", help="Let versions on trial answer the same requests; their answers are only logged."),
    ] = False,
    follow_every: Annotated[
        timedelta, typer.Option(parser=span, metavar="SPAN", help="How often to look for a promotion.")
    ] = timedelta(seconds=1),
    max_body: Annotated[
        int, typer.Option(min=1, help="Maximum size of a request body, in bytes.")
    ] = bodies.Bounds().body,
    connections: Annotated[int, typer.Option(min=1, help="Maximum number of simultaneous connections.")] = 1000,
) -> None:
    """Answer prediction requests with the champions until stopped with Ctrl-C or SIGTERM.

    Protocols are the Open Inference Protocol (/v2/models/MODEL/infer) and plain JSON (/v1/models/MODEL/predict); /docs
    lists the routes. Each request needs the token of LEEWAY_SERVE_TOKEN or, if that is not set, of a file whose path is
    printed. To serve other machines, put a proxy with TLS in front, and allow its host with --name.
    """
    _with_one_thread()
    with context.open(ctx.obj) as opened, contextlib.ExitStack() as stack:
        chosen = [opened.model(each) for each in model or opened.project.models]
        secret, where = token(opened.dir)
        user_code.make_importable(opened.project.folder)
        executor = stack.enter_context(ThreadPoolExecutor(2, "predict"))
        limits = Limits(publish=log_every.total_seconds())
        directories = {each.name: None if no_log else log_directory(each, log, len(chosen)) for each in chosen}
        services = {
            each.name: _service(opened, each, executor, _Logging(directories[each.name], limits, shadow))
            for each in chosen
        }
        bounds = bodies.Bounds(body=max_body)
        inner = serving_app.create(services, executor=executor, bounds=bounds, follow=follow_every.total_seconds())
        app = guarded(inner, secret=secret, hosts=own_hosts(host, name or []))
        _announce(opened, host, port, where, directories)
        facts = {source.folder: source for each in chosen for source in each.landed_facts}
        stack.enter_context(landing.following([*facts.values()], _now, logging.getLogger("leeway.serve").warning))
        with _as_a_service(), contextlib.suppress(KeyboardInterrupt):
            server.run(app, host=host, port=port, connections=connections)


@contextlib.contextmanager
def _as_a_service() -> Iterator[None]:
    """Log what happens to stderr, and end with 0 after SIGTERM, which uvicorn raises again when all is answered."""
    handler, log = logging.StreamHandler(), logging.getLogger("leeway.serve")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level, before = log.level, signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        log.setLevel(level)
        log.removeHandler(handler)


def _with_one_thread() -> None:
    """Run this command anew with one OpenMP thread, unless the environment says how many.

    The libraries read the variable when they are loaded. Requests are small: threads that wait for each other on a busy
    machine made one take a second instead of a millisecond.
    """
    if THREADS not in os.environ:
        os.environ[THREADS] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "leeway", *sys.argv[1:]])


def token(folder: Path) -> tuple[str, str]:
    """Return the token, and where it is as text: the variable's if it is set, else one in the state *folder*.

    Raises
    ------
    ProjectError
        The variable's is too short, or the file cannot be used, or others than its owner may read it.
    """
    if (own := os.environ.get(TOKEN)) and len(own) < SHORTEST_TOKEN:
        msg = f"{TOKEN} has {len(own)} characters, fewer than {SHORTEST_TOKEN}: it could be guessed"
        raise ProjectError(msg, hint="set a random one, as `openssl rand -hex 32` prints, or leave it to Leeway")
    return server_secret(folder, TOKEN, FILE)


def guarded(app: Any, *, secret: str, hosts: Hosts) -> SafeHeaders:
    """Return the application behind the token and the check of host and origin, as the dashboard's is."""
    subject = "This request needs the server's token, as `authorization: Bearer TOKEN`"
    return SafeHeaders(OwnPages(Password(app, secret, None, subject=subject, open_paths=OPEN), hosts, "leeway serve"))


def log_directory(model: Model, log: Path | None, models: int) -> Path:
    """Return the directory of a model's prediction log.

    Raises
    ------
    ProjectError
        Its events are in a topic, or in a single file, and no directory is named.
    """
    if log is not None:
        return log.resolve() / file_name(model.name) if models > 1 else log.resolve()
    if model.events.predictions.path is None:
        msg = f"{model.name} has its predictions in {model.events.predictions.name}, and the log is a directory"
        raise ProjectError(msg, hint="name one with --log; `leeway produce --predictions DIR` sends it to the topic")
    path = Path(model.events.predictions.path)
    if path.is_file():
        msg = f"events.predictions of {model.name} is the file {path}, and the log is a directory"
        raise ProjectError(msg, hint="move the file into a directory of its own and name that, or use --log")
    return path


class _Logging:
    """Where a model's predictions are logged (None: nowhere), how often, and whether versions on trial answer too."""

    def __init__(self, directory: Path | None, limits: Limits, shadow: bool) -> None:
        self.directory, self.limits, self.shadow = directory, limits, shadow


def _service(opened: Context, model: Model, executor: ThreadPoolExecutor, logging_of: _Logging) -> ModelService:
    """Return the service of a model, not yet started."""
    folder = opened.dir / "serving" / file_name(model.name)
    process = secrets.token_hex(4)
    follower = Follower(opened.registry, model.schema, model.trusted, executor, shadow=logging_of.shadow)

    def opened_log(target: Path, journals: str) -> PredictionLog:
        return PredictionLog(model.schema, target, folder / journals, process, logging_of.limits)

    log = opened_log(logging_of.directory, "journals") if logging_of.directory else None
    shadow = Shadow(opened_log(folder / "shadow", "shadow-journals")) if logging_of.shadow else None
    return ModelService(follower, log, shadow, _now, _fact_features(opened, model, folder) if model.facts else None)


def _now() -> datetime:
    return datetime.now(UTC)


def _fact_features(opened: Context, model: Model, folder: Path) -> FactFeatures:
    """Return what fills in the model's features of facts: its store, and the thread that takes new facts into it."""
    values = FactValues(model.facts, SqliteStore(folder / "facts.db"))
    set_aside = partial(dead_letters.append, opened.dir, model.name, "facts")
    return FactFeatures(values, FactFeed(model.name, DirectoryFeed(values), set_aside, _now))


def _announce(opened: Context, host: str, port: int, where: str, directories: dict[str, Path | None]) -> None:
    """Say what is served where, with which token, and where the log is."""
    names, where_to = ", ".join(directories), address(host, port)
    show.note(
        show.text(
            f"Serving {names} of {opened.project.name} on {where_to} until stopped; {where_to}/docs lists routes."
        )
    )
    show.note(show.text(f"Requests need the token {where}."))
    for name, directory in directories.items():
        show.note(show.text(f"Predictions of {name} are logged in {directory}." if directory else f"No log of {name}."))
