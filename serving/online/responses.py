"""Responses: values and errors as JSON, and how a model stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from features import errors
from serving.online.bodies import RefusedBody
from serving.online.service import ModelService
from serving.requests.problems import InvalidRequest


def health(service: ModelService) -> dict[str, Any]:
    """Return how a model stands."""
    lineup, status, log = service.follower.lineup, service.follower.status, service.log
    champion = lineup.champion
    return {
        "champion": champion.version if champion else None,
        "digest": champion.digest if champion else None,
        "predictor": champion.batcher.proved.name if champion else None,
        "no_fast_predictor": champion.batcher.proved.why_not_fast if champion else "",
        "versions": [each.version for each in lineup.versions],
        "failed_to_load": {version: failure.reason for version, failure in status.failures.items()},
        "registry_away": status.registry_away,
        "facts": _facts(service),
        "log": None if log is None else {
            "waiting": log.waiting, "journaled": log.counts.journaled, "published": log.counts.published,
            "dropped": log.counts.dropped, "recovered": log.counts.recovered, "failing": log.counts.failing,
        },
    }  # fmt: skip


def _facts(service: ModelService) -> dict[str, Any] | None:
    """Return how the facts of a model stand; None where it has no features of facts."""
    if service.facts is None or service.facts.feed is None:
        return None
    counts = service.facts.feed.counts
    return {
        "stored": counts.stored, "set_aside": counts.set_aside, "failing": counts.failing or service.facts.failing
    }  # fmt: skip


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a value as JSON."""
    return Response(orjson.dumps(value), status, headers, "application/json")


def problem(error: errors.LeewayError) -> Response:
    """Return an error as the protocols have it: ``error`` in words, with the fix; ``problems`` value by value."""
    text = f"{error.message} ({error.hint})" if error.hint else error.message
    body: dict[str, Any] = {"error": text}
    if isinstance(error, InvalidRequest):
        body["problems"] = [
            {"field": p.field, "row": p.row, "value": p.value, "problem": p.problem} for p in error.problems
        ]
    statuses: dict[type[errors.LeewayError], int] = {InvalidRequest: 400, errors.NotFound: 404, errors.NotReady: 503,
                errors.RequestError: 422}  # fmt: skip
    if isinstance(error, RefusedBody):
        return as_json(body, error.status, {"connection": "close"})
    status = next((code for kind, code in statuses.items() if isinstance(error, kind)), 500)
    return as_json(body, status, {"retry-after": "1"} if status == 503 else None)
