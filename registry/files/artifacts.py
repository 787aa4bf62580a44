"""The artifact store: model files by the sha256 of their content, written and read by skops, which runs no code."""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from features.errors import ArtifactError, TrainerError, UntrustedArtifact
from features.files.whole_file import write_whole as write_whole  # for those that write files beside models
from registry.files import model_files


class ArtifactStore:
    """A folder of files named by their own sha256, ``<first two characters>/<sha256>``; a file never changes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Return the path of the file of *digest*, whether there is one or not."""
        return self.root / digest[:2] / digest

    def put(self, data: bytes) -> str:
        """Store *data* and return its sha256; storing the same again changes nothing.

        The file appears whole or not at all, even if the machine stops in between.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        if not self.verify(digest):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of *digest*; ArtifactError if they are missing or have been altered."""
        path = self.path(digest)
        if not path.is_file():
            msg = f"model file {digest[:12]} is missing from {self.root}"
            raise ArtifactError(msg, hint="restore it from a backup, or train again")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            msg = f"model file {path} is not what was registered: its sha256 differs"
            raise ArtifactError(msg, hint="restore it from a backup, and find out who altered it")
        return data

    def verify(self, digest: str) -> bool:
        """Return whether the file is there and unaltered."""
        path = self.path(digest)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def dump_model(model: object) -> bytes:
    """Return *model* as a skops file, types and values without code; the same model always gives the same bytes.

    Raises
    ------
    TrainerError
        skops cannot write the model, or cannot read back what it wrote.
    """
    import skops.io  # slow: imports scikit-learn

    _teach_vectors()
    try:
        data = model_files.normalised(skops.io.dumps(model))
        skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))
    except Exception as error:
        msg = f"{type(model).__name__} cannot be stored without pickle: {error}"
        raise TrainerError(msg, hint="let the trainer return a model that skops can write and read") from error
    return data


def load_model(data: bytes, trusted: Sequence[str]) -> Any:
    """Return the model in *data*.

    Parameters
    ----------
    data
        A skops file.
    trusted
        The types that may be built beside skops' own safe ones; from the project file, never from the model file.

    Raises
    ------
    UntrustedArtifact
        *data* has other types, all of which are named; nothing was built.
    ArtifactError
        *data* is no model file, or another release of scikit-learn wrote it.
    """
    import skops.io  # slow: imports scikit-learn
    from sklearn.exceptions import InconsistentVersionWarning  # slow
    from skops.io.exceptions import UntrustedTypesFoundException  # slow

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return skops.io.loads(data, trusted=list(trusted))
    except UntrustedTypesFoundException as error:
        foreign = sorted(set(skops.io.get_untrusted_types(data=data)) - set(trusted))
        msg = f"the model file has types that are not trusted: {', '.join(foreign)}"
        raise UntrustedArtifact(msg, hint="if they are yours, add them to retrain.trust in the project file") from error
    except Exception as error:
        msg = f"the model file cannot be read: {error}"
        raise ArtifactError(msg, hint="install the releases that it was trained with, or train again") from error


def _teach_vectors() -> None:
    """Let skops write River's ``VectorDict``, the weights of its linear models.

    That type is compiled and gives no state, so skops would silently store it empty. Written as a call of its own type
    it is read back by an unchanged skops. skops has no public way to add a type.
    """
    if "river" not in sys.modules:
        return  # no River model can be there to be written
    from river.utils import VectorDict  # optional: only where River is used
    from skops.io._utils import _get_state, get_module, get_state

    def written(vector: Any, context: Any) -> dict[str, Any]:
        cells, factory, _, mask, _, _ = vector.__reduce__()[2]
        content = get_state((cells, factory, mask), context)
        kind = {"__class__": VectorDict.__name__, "__module__": get_module(VectorDict)}
        return {**kind, "__loader__": "ConstructorFromReduceNode", "content": content}

    _get_state.register(VectorDict, written)
