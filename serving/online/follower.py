"""Follows promotions: looks at the registry, loads a new champion beside the old one, and exchanges them as a whole.

A version that cannot be loaded changes nothing: the last good one answers on, the failure is in the log, in the metrics
and in the health, and loading is tried again, ever less often.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from features import errors
from features.schema import EventSchema
from registry import queries
from registry.connection import Registry
from registry.records import RunState
from serving.online.batching import Batcher
from serving.online.lineup import Lineup, Loaded
from serving.predictors import proved
from serving.predictors.backoff import Backoff
from serving.requests.rows import RowReader

_LOG = logging.getLogger("leeway.serve")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The versions that the registry says should be loaded."""

    champion: str | None
    trials: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A version that could not be loaded: why, and how often and when it is tried again."""

    reason: str
    backoff: Backoff


@dataclass
class Status:
    """What the follower has done: champions exchanged, versions that failed, and whether the registry answers."""

    swaps: int = 0
    failures: dict[str, Failure] = field(default_factory=dict)
    registry_away: str = ""


class Follower:
    """Keeps the lineup of one model as the registry has it.

    Parameters
    ----------
    registry
        Read in a thread; its outage changes nothing.
    schema
        The model's events.
    trusted
        Types that model files may contain (`retrain.trust`).
    executor
        Threads for batches, shared by all versions.
    shadow
        Whether versions on trial are loaded too.
    clock
        Returns seconds and never goes back.
    """

    def __init__(
        self,
        registry: Registry,
        schema: EventSchema,
        trusted: Sequence[str],
        executor: Executor,
        *,
        shadow: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.schema = schema
        self.lineup = Lineup()
        self.status = Status()
        self._registry, self._trusted, self._executor = registry, trusted, executor
        self._shadow, self._clock = shadow, clock

    async def follow(self, interval: float) -> None:
        """Look every *interval* seconds until cancelled."""
        while True:
            await asyncio.sleep(interval)
            await self.look()

    async def look(self) -> None:
        """Look at the registry once, and load what is new; no error passes."""
        try:
            wanted = await asyncio.to_thread(self._wanted)
        except Exception as error:  # whatever a driver raises: following must not end
            reason = errors.reason(error)
            if not self.status.registry_away:
                text = "%s: the registry does not answer; the loaded versions go on: %s"
                _LOG.warning(text, self.schema.model, reason)
            self.status.registry_away = reason
            return
        self.status.registry_away = ""
        names = {wanted.champion, *wanted.trials}
        self.status.failures = {v: f for v, f in self.status.failures.items() if v in names}
        await self._champion(wanted.champion)
        await self._trials(wanted.trials)

    def _wanted(self) -> Wanted:
        champion = queries.champion(self._registry, self.schema.model)
        runs = queries.unfinished(self._registry, self.schema.model, RunState.HELD) if self._shadow else []
        trials = tuple(dict.fromkeys(run.challenger for run in runs if run.challenger))
        return Wanted(champion.version if champion else None, trials)

    async def _champion(self, version: str | None) -> None:
        current = self.lineup.champion
        if version is None or (current is not None and current.version == version):
            return
        loaded = await self._loaded(version)
        if loaded is None:
            return
        trials = tuple(each for each in self.lineup.trials if each is not loaded)  # what serves is on trial no more
        self.lineup = Lineup(loaded, current, trials)  # requests under way end with the old one
        self.status.swaps += current is not None
        before = f" in place of {current.version}" if current else ""
        _LOG.info("%s %s answers now%s, by %s", self.schema.model, version, before, loaded.batcher.proved.name)

    async def _trials(self, wanted: Sequence[str]) -> None:
        champion = self.lineup.champion  # what answers is not on trial, whatever runs are held
        versions = [version for version in wanted if champion is None or version != champion.version]
        if [each.version for each in self.lineup.trials] == versions:
            return
        trials = [await self._loaded(version) for version in versions]
        self.lineup = replace(self.lineup, trials=tuple(each for each in trials if each is not None))

    async def _loaded(self, version: str) -> Loaded | None:
        """Return a version that is loaded already or now; None if it cannot be, or is not yet to be tried again."""
        for each in self.lineup.versions:
            if each.version == version:
                return each
        failure = self.status.failures.get(version)
        if failure is not None and failure.backoff.is_early(version, self._clock()):
            return None
        try:
            made = await asyncio.to_thread(self._load, version)
        except Exception as error:  # a model file may fail in any way, and the last good version answers on
            self._fail(version, error)
            return None
        self.status.failures.pop(version, None)
        if made.fast is None:
            _LOG.warning("%s %s answers by %s itself: %s", self.schema.model, version, made.name, made.why_not_fast)
        return Loaded(Batcher(made, self._executor), RowReader(self.schema, made.nullable, version))

    def _load(self, version: str) -> proved.Proved:
        """Load a version under the trust list, and let it answer rows of its baseline."""
        return proved.load(self._registry, self.schema, trusted=self._trusted, version=version)

    def _fail(self, version: str, error: Exception) -> None:
        """Note that a version could not be loaded, and when it is tried again."""
        before, clock = self.status.failures.get(version), self._clock()
        backoff = (before.backoff if before else Backoff()).after_failure(version, clock)
        is_ours, reason = isinstance(error, errors.LeewayError), errors.reason(error)
        self.status.failures[version] = Failure(reason, backoff)
        kept = self.lineup.champion
        goes_on = f"{kept.version} answers on" if kept else "nothing answers"
        text = "%s %s cannot be loaded: %s; %s; tried again in %.0f s"
        _LOG.error(
            text,
            self.schema.model,
            version,
            reason,
            goes_on,
            backoff.again - clock,
            exc_info=None if is_ours else error,
        )
