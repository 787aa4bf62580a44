"""The champion pointer, stateful test: its invariants hold after any operations."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from features.errors import IllegalMove, StaleChampion
from registry import queries
from registry.connection import Registry
from registry.records import VersionState
from tests.support import audit_chain
from tests.support import registry_values as make
from tests.support.example_counts import examples

_models = count()


class Champions(RuleBasedStateMachine):
    """One model, its versions, and a plain list of who was champion to compare with."""

    def __init__(self, reg: Registry) -> None:
        super().__init__()
        self.reg = reg
        self.model = make.model(reg, f"model-{next(_models)}")
        self.versions: list[str] = []
        self.reigns: list[str] = []

    @rule()
    def register(self) -> None:
        """Register a candidate."""
        name = f"v{len(self.versions) + 1}"
        make.ready(self.reg, name, model=self.model)
        self.versions.append(name)

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        """Promote any version over the champion of now: all but the champion itself may be."""
        name = data.draw(st.sampled_from(self.versions))
        self._try(lambda: make.promote(self.reg, name, len(self.reigns), model=self.model), name)

    @precondition(lambda self: self.reigns)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        """Roll back to any version that was champion."""
        name = data.draw(st.sampled_from(sorted(set(self.reigns))))
        self._try(lambda: make.rollback(self.reg, len(self.reigns), name, model=self.model), name)

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def promote_on_a_stale_view(self, data: st.DataObject) -> None:
        """A caller that saw another generation is refused, whatever it wants."""
        seen = data.draw(st.integers(0, len(self.reigns) + 2).filter(lambda n: n != len(self.reigns)))
        name = data.draw(st.sampled_from(self.versions))
        with pytest.raises(StaleChampion):
            make.promote(self.reg, name, seen, model=self.model)

    def _try(self, move: Callable[[], object], name: str) -> None:
        if self.reigns and self.reigns[-1] == name:
            with pytest.raises(IllegalMove):
                move()
        else:
            move()
            self.reigns.append(name)

    @invariant()
    def exactly_one_champion(self) -> None:
        """The pointer, the states and the history agree on who is champion; every earlier one is retired."""
        states = {v.version: v.state for v in queries.versions(self.reg, self.model)}
        champions = [name for name, state in states.items() if state is VersionState.CHAMPION]
        retired = {name for name, state in states.items() if state is VersionState.RETIRED}
        pointer = queries.champion(self.reg, self.model)
        assert self.reigns[-1:] == champions == ([pointer.version] if pointer else [])
        assert set(self.reigns) - set(champions) == retired

    @invariant()
    def generations_count_promotions(self) -> None:
        """Generation n is the nth promotion, and each starts where the one before it ended."""
        history = queries.promotions(self.reg, self.model)
        assert list(range(1, len(self.reigns) + 1)) == [p.generation for p in history]
        assert self.reigns == [p.to_version for p in history]
        assert [None, *self.reigns[:-1]][: len(history)] == [p.from_version for p in history]

    def teardown(self) -> None:
        """The log tells the same story, unbroken."""
        assert audit_chain.verify(self.reg) == []


@pytest.mark.slow
def test_promotions_and_rollbacks_keep_the_invariants(reg: Registry) -> None:
    """Any sequence of registrations, promotions, rollbacks and stale attempts keeps one champion and no gaps."""
    few = settings(max_examples=examples(25), stateful_step_count=20, deadline=None)
    run_state_machine_as_test(lambda: Champions(reg), settings=few)  # type: ignore[arg-type]  # any factory will do
