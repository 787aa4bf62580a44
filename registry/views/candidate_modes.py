"""Static beside online: the newest version of each mode that a model has, and how its gate judged it."""

from __future__ import annotations

from dataclasses import dataclass

from registry import queries
from registry.connection import Registry
from registry.records import Version, VersionState


@dataclass(frozen=True, slots=True)
class ModeVersion:
    """The newest version of a mode.

    Parameters
    ----------
    mode
        ``static`` or ``online``.
    version, state
        Its name and its state.
    loss
        Its mean loss on the evaluation rows of its gate; None for a first version, or where there was none.
    against
        The champion's on the same rows.
    """

    mode: str
    version: str
    state: VersionState
    loss: float | None = None
    against: float | None = None

    @property
    def text(self) -> str:
        """What it is, in words.

        >>> ModeVersion("online", "v3", VersionState.CHAMPION, 0.41, 0.52).text
        'online: v3 (champion), mean loss 0.41 in its gate, where the champion had 0.52'
        """
        own = f"{self.mode}: {self.version} ({self.state.value})"
        if self.loss is None or self.against is None:
            return f"{own}, without a gate"
        return f"{own}, mean loss {self.loss:.3g} in its gate, where the champion had {self.against:.3g}"


def read(reg: Registry, model: str) -> dict[str, ModeVersion]:
    """Return the newest version of each mode, or the champion where it has the mode."""
    chosen: dict[str, Version] = {}
    for version in queries.versions(reg, model):
        before = chosen.get(version.mode)
        if before is None or before.state is not VersionState.CHAMPION:
            chosen[version.mode] = version
    return {mode: _of(version) for mode, version in sorted(chosen.items())}


def _of(version: Version) -> ModeVersion:
    own = version.metrics
    return ModeVersion(version.mode, version.version, version.state, own.get("challenger"), own.get("champion"))
