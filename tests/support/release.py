"""Checks that version, changelog and tag agree."""

from __future__ import annotations

import re
from collections.abc import Collection

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_RELEASE = re.compile(r"(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""Sections of a release, by https://keepachangelog.com/en/1.1.0/."""


def disagreements(version: str, changelog: str, tags: Collection[str]) -> list[str]:
    """Return what does not agree between *version*, the *changelog*'s text and the *tags* of the commit.

    >>> text = "# Changelog\\n\\n## Unreleased\\n\\n## 0.2.0 - 2025-01-31\\n\\n### Added\\n\\n- A thing.\\n"
    >>> disagreements("0.2.0", text, ["v0.2.0"])
    []
    >>> disagreements("0.2.1", text, ["v0.2.0"])
    ['the commit is tagged v0.2.0, its version is 0.2.1']
    """
    titles = _HEADING.findall(changelog)
    problems = [] if titles[:1] == ["Unreleased"] else ["the changelog does not begin with Unreleased"]
    releases = [_RELEASE.fullmatch(title) for title in titles[1:]]
    problems += [
        f"{title!r} is no heading like 0.2.0 - 2025-01-31"
        for title, m in zip(titles[1:], releases, strict=True)
        if not m
    ]
    dated = [(m[1], m[2]) for m in releases if m]
    if dated != sorted(dated, key=lambda pair: (_numbers(pair[0]), pair[1]), reverse=True):
        problems.append("releases do not stand newest first")
    problems += [
        f"{kind!r} is no section of a release"
        for kind in re.findall(r"^### (.+)$", changelog, re.MULTILINE)
        if kind not in KINDS
    ]
    return problems + _tag_problems(version, changelog, dated, tags)


def _tag_problems(version: str, changelog: str, dated: list[tuple[str, str]], tags: Collection[str]) -> list[str]:
    released = [tag for tag in tags if re.fullmatch(r"v\d+\.\d+\.\d+", tag)]
    if not released:
        return (
            []
            if not dated or _numbers(version) >= _numbers(dated[0][0])
            else [f"{version} is older than {dated[0][0]}"]
        )
    problems = [f"the commit is tagged {tag}, its version is {version}" for tag in released if tag != f"v{version}"]
    if not problems and version not in [number for number, _ in dated]:
        problems.append(f"the changelog has no heading for {version}")
    if re.search(r"^## Unreleased\n+(?!## )\S", changelog, re.MULTILINE):
        problems.append("there is something under Unreleased in a commit that is tagged")
    return problems


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
