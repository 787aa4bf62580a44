"""Batches: what waits is computed together, and each request gets its own rows' answers or its own error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import errors
from features.scoring import Values
from serving.model import Served
from serving.online import batching
from serving.online.batching import Answer, Batcher
from serving.predictors import proved
from serving.predictors.columns import Columns
from tests.support import serving_world as world


@cache
def version(name: str) -> proved.Proved:
    """Return a fitted model of the world, proved."""
    return proved.prove(Served(world.SCHEMA, "v1", "0" * 64, getattr(world, name)()), world.bins())


def columns(xs: Sequence[float], c: str = "a") -> Columns:
    """Return rows that differ in x."""
    return {"x": list(xs), "z": [1.0] * len(xs), "c": [c] * len(xs)}


def ask(served: proved.Proved, requests: Sequence[Columns]) -> tuple[list[Answer | BaseException], Batcher]:
    """Return the answers to requests that come at the same moment, and the batcher."""

    async def all_at_once() -> tuple[list[Answer | BaseException], Batcher]:
        """Ask inside a loop."""
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(served, executor)
            asked = (batcher.predict(each, len(each["x"])) for each in requests)
            return await asyncio.gather(*asked, return_exceptions=True), batcher

    return asyncio.run(all_at_once())


@pytest.mark.parametrize("name", ["linear", "trees", "picky"])
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12))
@settings(max_examples=10)
def test_requests_of_any_lengths_get_their_own_answers(name: str, lengths: list[int]) -> None:
    """In this thread and in another one, together in few batches."""
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=n).tolist() for n in lengths]
    answers, batcher = ask(version(name), [columns(each) for each in xs])

    assert sum(lengths) == batcher.batched_rows
    assert batcher.batches <= 2 if len(lengths) > 1 else batcher.batches == 1
    for each, answer in zip(xs, answers, strict=True):
        assert isinstance(answer, Answer), answer
        alone = version(name).reference.predict(columns(each)).tolist()
        assert pytest.approx(alone, abs=1e-12) == answer.predictions


def test_a_request_that_the_model_refuses_fails_alone() -> None:
    """A category that it has not seen: its neighbours in the batch are answered."""
    answers, batcher = ask(version("picky"), [columns([0.1]), columns([0.2], c="new"), columns([0.3])])

    assert [True, False, True] == [isinstance(answer, Answer) for answer in answers]
    assert isinstance(answers[1], errors.RequestError)
    assert "m v1 does not answer these rows: ValueError: Found unknown categories" in str(answers[1])
    assert 1 == batcher.batches


def test_what_is_too_much_to_wait_for_is_refused_at_once() -> None:
    """And the requests before it are answered."""
    many = columns([0.5] * (batching.MAX_WAITING - 1))
    answers, _ = ask(version("linear"), [many, columns([0.1]), columns([0.2])])

    assert [True, True, False] == [isinstance(answer, Answer) for answer in answers]
    assert isinstance(answers[2], errors.NotReady)


@pytest.mark.parametrize("gone", [1, 3 * batching.MAX_BATCH])
def test_callers_that_are_gone_hold_nobody_up(gone: int) -> None:
    """Their rows are not computed, however many they are."""

    async def leave() -> tuple[Answer, int]:
        """Cancel all requests but the last, before the batch."""
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(version("linear"), executor)
            leaving = [asyncio.ensure_future(batcher.predict(columns([0.1]), 1)) for _ in range(gone)]
            stays = asyncio.ensure_future(batcher.predict(columns([0.2]), 1))
            asyncio.get_running_loop().call_soon(lambda: [each.cancel() for each in leaving])
            return await asyncio.wait_for(stays, 30), batcher.batched_rows

    answer, computed = asyncio.run(leave())
    assert pytest.approx(version("linear").reference.predict(columns([0.2])).tolist()) == answer.predictions
    assert 1 == computed


class Silent:
    """A predictor that answers with NaN, or with too few rows."""

    name = "silent"

    def __init__(self, answers: Any) -> None:
        self.answers = answers

    def predict(self, rows: Columns) -> Values:
        """Return what was set."""
        return np.array(self.answers)


@pytest.mark.parametrize("answers", [[np.nan], [np.inf], [], [0.5, 0.5]])
def test_no_answer_is_an_error_and_never_a_number(answers: list[float]) -> None:
    """A prediction that is missing or infinite is not sent, nor one too many."""
    good = version("linear")
    silent = proved.Proved(good.served, Silent(answers), None, "", good.nullable)
    refused = ask(silent, [columns([0.1])])[0][0]
    assert isinstance(refused, errors.RequestError)
