"""The tree of exceptions: the drawing at the head of the module is the classes."""

from __future__ import annotations

import inspect
import re

from features import errors

BRANCH = re.compile(r"^((?:│   |    )*)[├└]── (\w+)")


def drawn() -> dict[str, str]:
    """Return the parent of each exception, as the docstring draws it."""
    path, parents = ["LeewayError"], dict[str, str]()
    for found in filter(None, map(BRANCH.match, (errors.__doc__ or "").splitlines())):
        depth, name = 1 + len(found[1]) // 4, found[2]
        parents[name] = path[depth - 1]
        path[depth:] = [name]
    return parents


def test_the_tree_that_is_drawn_is_that_of_the_classes() -> None:
    """Each exception once, under its first parent; those that may go by themselves are outages besides."""
    classes = [one for _, one in inspect.getmembers(errors, inspect.isclass) if one is not errors.LeewayError]
    assert {one.__name__: one.__bases__[0].__name__ for one in classes} == drawn()
    outages = {one.__name__ for one in classes if issubclass(one, errors.Outage)}
    assert {name for name in drawn() if name.endswith("Away")} | {"Outage", "LandingBusy", "NotReady"} == outages
