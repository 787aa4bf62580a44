"""The ASGI application of online serving: routes of the Open Inference Protocol, plain JSON, health, metrics, OpenAPI.

It has no access control of its own: `leeway serve` puts that of the dashboard around it.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from features import errors
from serving.online import bodies, metrics, openapi, responses
from serving.online.service import ModelService
from serving.requests import open_inference

Infer = Callable[[ModelService, bytes, str | None], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, eq=False)
class Endpoints:
    """The endpoints of a server.

    Parameters
    ----------
    services
        The models by name.
    bounds
        What a request may cost.
    """

    services: Mapping[str, ModelService]
    bounds: bodies.Bounds
    figures: metrics.Metrics

    def routes(self) -> list[Route]:
        """Return the routes, those of predictions first."""
        one, versions = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
        routes = [
            Route("/v1/models/{model}/predict", self.predict, methods=["POST"]),
            Route("/v1/models/{model}/versions/{version}/predict", self.predict, methods=["POST"]),
            Route(f"{one}/infer", self.infer, methods=["POST"]),
            Route(f"{versions}/infer", self.infer, methods=["POST"]),
        ]
        for path in (one, versions):
            routes += [Route(path, self.model_metadata), Route(f"{path}/ready", self.model_ready)]
        return [
            *routes,
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            Route("/v2", self.server_metadata),
            Route("/health", self.health),
            Route("/metrics", self.metrics),
            Route("/openapi.json", self.openapi),
            Route("/docs", self.docs),
        ]

    async def infer(self, request: Request) -> Response:
        """Answer a request of the Open Inference Protocol."""
        return await self._timed(request, "infer", ModelService.infer)

    async def predict(self, request: Request) -> Response:
        """Answer a request in plain JSON."""
        return await self._timed(request, "predict", ModelService.predict)

    async def _timed(self, request: Request, route: str, of: Infer) -> Response:
        """Return the answer to a prediction request, counted with its time."""
        begun = time.perf_counter()
        model, status = request.path_params["model"], 500  # unless it ends otherwise
        try:
            service = self._service(request)
            body = await bodies.read(request, self.bounds)
            response = responses.as_json(await of(service, body, request.path_params.get("version")))
            status = response.status_code
        except errors.LeewayError as error:
            response = responses.problem(error)
            status = response.status_code
        finally:
            name = model if model in self.services else ""  # a label has no value that a caller makes up
            self.figures.observe(name, route, status, time.perf_counter() - begun)
        return response

    def _service(self, request: Request) -> ModelService:
        """Return the service of the model in the address. Raises NotFound, which lists the models."""
        name = request.path_params["model"]
        if name not in self.services:
            msg = f"there is no model {name!r} here"
            raise errors.NotFound(msg, hint=f"served are {', '.join(self.services)}")
        return self.services[name]

    async def live(self, request: Request) -> Response:
        """Say that the process answers."""
        return responses.as_json({"live": True})

    async def ready(self, request: Request) -> Response:
        """Say whether each model has a champion that answers."""
        ready = all(service.follower.lineup.champion for service in self.services.values())
        return responses.as_json({"ready": ready}, 200 if ready else 503)

    async def model_ready(self, request: Request) -> Response:
        """Say whether a model, or a version of it, answers."""
        try:
            service = self._service(request)
            loaded = service.follower.lineup.named(service.schema.model, request.path_params.get("version"))
        except errors.LeewayError as error:
            return responses.problem(error)
        return responses.as_json({"name": service.schema.model, "version": loaded.version, "ready": True})

    async def server_metadata(self, request: Request) -> Response:
        """Say what this server is."""
        version = importlib.metadata.version("leeway")
        return responses.as_json({"name": "leeway", "version": version, "extensions": []})

    async def model_metadata(self, request: Request) -> Response:
        """Name a model's versions, inputs and output."""
        try:
            service = self._service(request)
            lineup = service.follower.lineup
            loaded = lineup.named(service.schema.model, request.path_params.get("version"))
        except errors.LeewayError as error:
            return responses.problem(error)
        chosen = [loaded] if "version" in request.path_params else lineup.versions
        return responses.as_json(open_inference.metadata(service.schema, [each.version for each in chosen]))

    async def health(self, request: Request) -> Response:
        """Say how each model stands: its versions, what could not be loaded, and the prediction log."""
        return responses.as_json({name: responses.health(service) for name, service in self.services.items()})

    async def metrics(self, request: Request) -> Response:
        """Return the metrics for Prometheus."""
        return Response(self.figures.text(), media_type=metrics.CONTENT_TYPE)

    async def openapi(self, request: Request) -> Response:
        """Describe the routes, with the features of each model, as OpenAPI."""
        optional = {name: service.optional for name, service in self.services.items()}
        return responses.as_json(openapi.document([each.schema for each in self.services.values()], optional))

    async def docs(self, request: Request) -> Response:
        """Describe the routes as a page."""
        return HTMLResponse(openapi.page([service.schema for service in self.services.values()]))


async def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: f"there is no {request.url.path}; /docs lists what there is",
             405: f"{request.method} is not what {request.url.path} takes; /docs lists what does"}  # fmt: skip
    return responses.as_json({"error": words.get(status, "the server failed; its log says why")}, status)


def create(
    services: Mapping[str, ModelService], *, executor: ThreadPoolExecutor, bounds: bodies.Bounds, follow: float
) -> Starlette:
    """Return the application.

    Parameters
    ----------
    services
        The models by name, not yet started.
    executor
        The threads that the services compute in; closed when the application ends.
    bounds
        What a request may cost.
    follow
        Seconds between two looks at the registry.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        for service in services.values():
            await service.start()
        # The libraries are a million objects that stay; a full collection over them would stop all answers for .3 s.
        gc.collect()
        gc.freeze()
        following = [asyncio.create_task(service.follower.follow(follow)) for service in services.values()]
        yield
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await asyncio.gather(*(service.close() for service in services.values()))
        executor.shutdown()

    endpoints = Endpoints(services, bounds, metrics.Metrics(services))
    handlers: Mapping[Any, Any] = {HTTPException: _no_route, Exception: _no_route}
    return Starlette(routes=endpoints.routes(), lifespan=lifespan, exception_handlers=handlers)
