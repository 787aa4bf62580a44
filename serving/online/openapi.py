"""OpenAPI: the server's routes described with the features of its models, as a document and as a plain page."""

from __future__ import annotations

import html
import importlib.metadata
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from features.schema import PREDICTION, EventSchema, FeatureKind, Task

_TEXT = {"type": "string"}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": _TEXT,
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": _TEXT,
        "data": {"type": "array"},
    },
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": _TEXT,
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": _TEXT, "row": {"type": ["integer", "null"]}, "value": _TEXT, "problem": _TEXT},
            },
        },
    },
}
_INFER = {
    "type": "object",
    "required": ["inputs"],
    "properties": {"id": _TEXT, "inputs": {"type": "array", "items": _TENSOR, "minItems": 1}},
}
_INFERRED = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs", "parameters"],
    "properties": {
        "id": _TEXT,
        "model_name": _TEXT,
        "model_version": _TEXT,
        "outputs": {"type": "array", "items": _TENSOR},
        "parameters": {"type": "object", "required": ["digest", "predictor"]},
    },
}
_ERRORS = {
    "400": "A value is wrong.",
    "401": "The token is missing or wrong.",
    "404": "There is no such model or version.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "422": "The model has no answer to these rows.",
    "503": "No version is ready, or too many requests wait.",
}


Optional = Mapping[str, Collection[str]]
"""The features that requests may leave out, by model."""


def document(schemas: Sequence[EventSchema], optional: Optional = MappingProxyType({})) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a server of these models."""
    paths: dict[str, Any] = {}
    for schema in schemas:
        paths |= _of_model(schema, optional.get(schema.model, ()))
    for path, summary in _COMMON.items():
        paths[path] = {"get": {"summary": summary, "responses": {"200": {"description": "As it says."}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Leeway: predictions", "version": importlib.metadata.version("leeway")},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


_COMMON: Mapping[str, str] = {
    "/v2": "What this server is",
    "/v2/health/live": "Whether the process answers (without the token too)",
    "/v2/health/ready": "Whether every model has a champion that answers (without the token too)",
    "/health": "Versions, what could not be loaded, and the prediction log",
    "/metrics": "Metrics for Prometheus",
    "/openapi.json": "This description",
}


def _of_model(schema: EventSchema, optional: Collection[str]) -> dict[str, Any]:
    """Return the paths of one model."""
    version = {"name": "version", "in": "path", "required": True, "schema": _TEXT}
    paths: dict[str, Any] = {}
    for suffix, parameters in (("", []), ("/versions/{version}", [version])):
        plain, protocol = (f"/v{n}/models/{schema.model}{suffix}" for n in (1, 2))
        more = {"parameters": parameters} if parameters else {}
        predict = _post("Predict, in plain JSON", _rows(schema, optional), _answers(schema))
        infer = _post("Predict, in the Open Inference Protocol", _INFER, _INFERRED)
        paths[f"{plain}/predict"] = {**predict, **more}
        paths[f"{protocol}/infer"] = {**infer, **more}
        paths[protocol] = {"get": {"summary": "Versions, inputs and output", "responses": _responses({})}, **more}
        paths[f"{protocol}/ready"] = {"get": {"summary": "Whether it answers", "responses": _responses({})}, **more}
    return paths


def _post(summary: str, body: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": body}}
    return {"post": {"summary": summary, "requestBody": {"required": True, "content": content},
                     "responses": _responses(answer)}}  # fmt: skip


def _responses(answer: Mapping[str, Any]) -> dict[str, Any]:
    errors = {
        code: {"description": text, "content": {"application/json": {"schema": _ERROR}}}
        for code, text in _ERRORS.items()
    }
    return {"200": {"description": "The answer.", "content": {"application/json": {"schema": answer}}}, **errors}


def _rows(schema: EventSchema, optional: Collection[str]) -> dict[str, Any]:
    """Return the schema of a request in plain JSON."""
    kinds: dict[FeatureKind, dict[str, Any]] = {
        FeatureKind.NUMERIC: {"type": ["number", "null"]},
        FeatureKind.CATEGORICAL: {"type": ["string", "number", "boolean", "null"]},
    }
    extra = {
        schema.columns.id: {**_TEXT, "description": "id of the prediction event; made up if left out"},
        schema.columns.time: {"type": ["string", "number"], "description": "event time; now if left out"},
    }
    row = {
        "type": "object",
        "required": [name for name in schema.features if name not in optional],
        "properties": {**{name: kinds[kind] for name, kind in schema.features.items()}, **extra},
        "additionalProperties": False,
    }
    instances = {"type": "array", "items": row, "minItems": 1}
    return {
        "type": "object",
        "required": ["instances"],
        "properties": {"instances": instances},
        "additionalProperties": False,
    }


def _answers(schema: EventSchema) -> dict[str, Any]:
    made = _TEXT if schema.task is Task.MULTICLASS else {"type": "number"}
    row = {"type": "object", "required": ["id", PREDICTION], "properties": {"id": _TEXT, PREDICTION: made}}
    texts = ("model", "version", "digest", "predictor")
    properties = {**dict.fromkeys(texts, _TEXT), "predictions": {"type": "array", "items": row}}
    return {"type": "object", "required": list(properties), "properties": properties}


def page(schemas: Sequence[EventSchema]) -> str:
    """Return the routes as a page without scripts, with a request for each model to copy."""
    rows = "".join(
        f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td><td>{html.escape(each['summary'])}</td></tr>"
        for path, methods in document(schemas)["paths"].items()
        for method, each in methods.items()
        if method in ("get", "post")
    )
    examples = "".join(f"<h2>{html.escape(s.model)}</h2><pre>{html.escape(example(s))}</pre>" for s in schemas)
    head = "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Leeway: predictions</title></head>"
    link = "<p>As <a href='/openapi.json'>OpenAPI</a>. Each request needs the token, as a bearer token.</p>"
    table = f"<table><tr><th>Method</th><th>Path</th><th>What</th></tr>{rows}</table>"
    return f"{head}<body><h1>Predictions</h1>{link}{table}{examples}</body></html>"


def example(schema: EventSchema) -> str:
    """Return a request in plain JSON, for a page."""
    values = {FeatureKind.NUMERIC: "1.5", FeatureKind.CATEGORICAL: '"a"'}
    row = ", ".join(f'"{name}": {values[kind]}' for name, kind in schema.features.items())
    return f'POST /v1/models/{schema.model}/predict\n{{"instances": [{{{row}}}]}}'
