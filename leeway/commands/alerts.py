"""`leeway alerts`: deliver the outbox's messages to webhooks, list deliveries, repeat those that were given up."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import typer

from features.errors import NotFound
from features.window import UTC
from leeway import assembly, context
from leeway.commands.options import AsJson
from leeway.context import Context
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from registry import outbox
from registry.records import Delivery

_NO_ENDPOINT = "add one under `alerts.endpoints` in the project file (docs/alerts.md)"
POLL_SECONDS = 2.0
"""Interval (s) at which `--watch` looks for due messages; the shortest retry waits 5 s."""


class DeliveryState(str, Enum):
    """The states of a delivery that can be listed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


State = Annotated[DeliveryState | None, typer.Option(help="Only deliveries in this state; dead: given up.")]

commands = typer.Typer(
    name="alerts", no_args_is_help=True, help="Deliver signed webhooks, list deliveries, retry failed ones."
)


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.add_typer(commands)


@commands.command("deliver")
def deliver_due(
    ctx: typer.Context,
    watch: Annotated[bool, typer.Option(help="Keep delivering until stopped with Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send all due messages to the endpoints that subscribe to them. Exit code 3 if any could not be delivered.

    Several processes may run at once; each message is sent by only one of them.
    """
    with context.open(ctx.obj) as opened:
        if not opened.project.alerts.endpoints:
            if as_json:
                show.as_json({"ok": True, "sent": 0, "failed": 0, "dead": 0})
                return
            show.note(show.text(f"No endpoint is configured: {_NO_ENDPOINT}"))
            return
        if watch:
            with contextlib.suppress(KeyboardInterrupt):
                _watch(opened)
            return
        total = assembly.deliver(opened)
    lost = total.failed + total.dead
    if as_json:
        show.as_json({"ok": not lost, "sent": total.sent, "failed": total.failed, "dead": total.dead})
    else:
        show.note(f"{total.sent:,} sent, {total.failed:,} failed and will be retried, {total.dead:,} given up")
    if lost and not as_json:
        show.note("[bold]leeway alerts list[/] shows the errors.")
    if lost:
        raise typer.Exit(ExitCode.FAILURE)


def _watch(opened: Context) -> None:
    show.note("Delivering alerts until stopped with Ctrl-C.")
    while True:
        done = assembly.deliver(opened)
        if done.total:
            show.note(f"{done.sent:,} sent, {done.failed:,} failed and will be retried, {done.dead:,} given up")
        time.sleep(POLL_SECONDS)


@commands.command("list")
def list_deliveries(
    ctx: typer.Context,
    endpoint: Annotated[str | None, typer.Option(help="Only deliveries to this endpoint.")] = None,
    state: State = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many deliveries, the newest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show deliveries: state, attempts, when the next one is due, and the last error."""
    with context.open(ctx.obj) as opened:
        deliveries = outbox.deliveries(opened.registry, endpoint=endpoint, state=state and state.value)
        if endpoint and not deliveries:
            _require_endpoint(opened, endpoint)
        types = {m.id: m.type for m in outbox.messages(opened.registry)}
    shown = deliveries[-limit:]
    if as_json:
        show.as_json([{"type": types[d.message_id], **d.model_dump(mode="json")} for d in shown])
        return
    columns = ("id", "message", "endpoint", "state", "attempts", "next attempt", "status", "error")
    show.table("Deliveries", columns, [_row(d, types[d.message_id]) for d in shown])
    if len(shown) < len(deliveries):
        show.note(f"... and {len(deliveries) - len(shown):,} older; --limit shows more")
    if any(d.state == "dead" for d in shown):
        show.note("[bold]leeway alerts replay ID[/] makes one due again that was given up, or that waits.")


def _require_endpoint(opened: Context, name: str) -> None:
    """Raise NotFound unless the project file has the endpoint, or had it when something was to be sent to it."""
    names = {e.name for e in opened.project.alerts.endpoints}
    names |= {d.endpoint for d in outbox.deliveries(opened.registry)}
    if name not in names:
        msg = f"there is no alert endpoint {name!r}"
        raise NotFound(msg, hint=f"its endpoints are {', '.join(sorted(names))}" if names else _NO_ENDPOINT)


def _row(delivery: Delivery, kind: str) -> tuple[Any, ...]:
    due = delivery.next_attempt_at if delivery.state == "pending" else None
    error = delivery.error.partition("\n")[0]
    return (delivery.id, kind, delivery.endpoint, delivery.state, delivery.attempts, due, delivery.status_code, error)


@commands.command()
def replay(
    ctx: typer.Context,
    delivery: Annotated[int, typer.Argument(help="The delivery's id in `leeway alerts list`.")],
    as_json: AsJson = False,
) -> None:
    """Make a delivery due now that was given up, or waits for its next attempt, with the full number of attempts."""
    with context.open(ctx.obj) as opened:
        again = outbox.requeue(opened.registry, delivery, now=datetime.now(UTC))
    if as_json:
        show.as_json({"ok": True, **again.model_dump(mode="json")})
        return
    show.note(f"Delivery {again.id:d} to {show.text(again.endpoint)} is due; [bold]leeway alerts deliver[/] sends it.")
