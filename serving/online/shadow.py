"""Shadow: versions held on trial answer the champion's requests too, in a thread of their own, logged apart.

Their answers are no part of a response and may not delay one: where they cannot keep up, rows are dropped and counted.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from features import scoring
from serving.online.lineup import Loaded
from serving.prediction_log.event_table import Made
from serving.prediction_log.log import PredictionLog
from serving.requests.rows import Rows

MAX_WAITING = 1_000
"""Most requests that wait for the shadow."""
_LOG = logging.getLogger("leeway.serve")


@dataclass(slots=True)
class ShadowCounts:
    """Rows of shadow answers by what became of them; *dropped* are of requests for which there was no room."""

    answered: int = 0
    failed: int = 0
    dropped: int = 0


class Shadow:
    """Answers requests once more, by the versions on trial.

    Parameters
    ----------
    log
        Where their predictions go: never the champion's log.
    """

    def __init__(self, log: PredictionLog) -> None:
        self.log = log
        self.counts = ShadowCounts()
        self._requests: queue.Queue[tuple[Rows, Sequence[Loaded]] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name=f"shadow-{log.schema.model}", daemon=True)

    def start(self) -> None:
        """Start the threads of answers and of their log."""
        self.log.start()
        self._thread.start()

    def add(self, rows: Rows, trials: Sequence[Loaded]) -> None:
        """Have *trials* answer *rows*, if there is room."""
        try:
            self._requests.put_nowait((rows, trials))
        except queue.Full:
            self.counts.dropped += len(rows) * len(trials)

    def close(self) -> int:
        """Answer what waits, write it, and return how many rows could not be written."""
        self._requests.put(None)
        self._thread.join()
        return self.log.close()

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            rows, trials = request
            for each in trials:
                self._answer(rows, each)

    def _answer(self, rows: Rows, trial: Loaded) -> None:
        """Answer one request by one version, and log the predictions that there are."""
        predictor = trial.batcher.proved.predictor(len(rows))
        try:
            made = predictor.predict(rows.features)
        except Exception:  # whatever a candidate raises, it is a candidate
            self.counts.failed += len(rows)
            _LOG.debug("%s %s failed in shadow", self.log.schema.model, trial.version, exc_info=True)
            return
        if len(made) != len(rows) or not scoring.is_answered(made).all():
            self.counts.failed += len(rows)
            return
        self.counts.answered += len(rows)
        self.log.add(Made(rows, made.tolist(), trial.version, trial.digest, predictor.name))
