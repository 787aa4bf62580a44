"""Reproducible model files: the same model gives the same bytes, whenever and in whatever process it is written.

What skops writes contains the time, memory addresses (as ids of objects and names of files) and sets in the order of
their hashes, none of which belongs to the model. Here times are fixed, ids count up in the order of the file, arrays
are named by their content, sets are sorted, and nothing is compressed, since zlib's output differs by release.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

SCHEMA: Final = "schema.json"
"""The file in the archive that describes the model as a tree of nodes."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive: the earliest that the zip format has."""
_SETS: Final = ("set", "frozenset")
"""The classes whose members are sorted."""

Node = dict[str, Any]


def normalised(data: bytes) -> bytes:
    """Return the skops file *data* in the one form of its model; loading gives the same model.

    Parts that are one object stay one object, except values that never change, like numbers and texts: whether two of
    these are one object depends on how Python made them.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        contents = {name: _unpadded(read.read(name)) for name in read.namelist()}
    root = json.loads(contents.pop(SCHEMA))
    names = {
        name: f"{hashlib.sha256(content).hexdigest()}.{name.rpartition('.')[2]}" for name, content in contents.items()
    }
    _rename(root, names)
    _sort_sets(root)
    _ObjectNumbers().number(root)
    files = {names[name]: content for name, content in contents.items()}
    files[SCHEMA] = json.dumps(root, separators=(",", ":")).encode()
    return _zipped(files)


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o600 << 16
            written.writestr(entry, files[name], zipfile.ZIP_STORED)
    return buffer.getvalue()


def _unpadded(content: bytes) -> bytes:
    """Return an array's file with zeros between its fields, where numpy leaves what was in memory."""
    if not content.startswith(np.lib.format.MAGIC_PREFIX):
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None or not array.size:
        return content
    head, body = content[: -array.nbytes], np.frombuffer(content[-array.nbytes :], np.uint8)
    rows = np.where(_meant(array.dtype), body.reshape(-1, array.itemsize), 0)
    return head + rows.astype(np.uint8).tobytes()


def _meant(dtype: np.dtype[Any]) -> npt.NDArray[np.bool_]:
    """Return which bytes of an item belong to a field; the others lie between fields."""
    if dtype.fields is None:
        return np.ones(dtype.itemsize, bool)
    meant = np.zeros(dtype.itemsize, bool)
    for kind, offset, *_ in dtype.fields.values():
        meant[offset : offset + kind.itemsize] = np.resize(_meant(kind.base), kind.itemsize)
    return meant


def _rename(value: Any, names: dict[str, str]) -> None:
    """Replace the file names in every node under *value* by those in *names*."""
    for child in _children(value):
        _rename(child, names)
    if isinstance(value, dict) and value.get("file") in names and isinstance(value["file"], str):
        value["file"] = names[value["file"]]


def _sort_sets(value: Any) -> None:
    """Sort the members of every set under *value*, the innermost first."""
    for child in _children(value):
        _sort_sets(child)
    if isinstance(value, dict) and value.get("__class__") in _SETS:
        for members in _lists(value.get("content")):
            members.sort(key=_meaning)


def _lists(content: Any) -> list[list[Any]]:
    """Return the list of a set's members: its content, or the only argument of what makes it."""
    if isinstance(content, list):
        inner = [node["content"] for node in content if isinstance(node, dict) and node.get("__loader__") == "ListNode"]
        return inner if len(content) == 1 and inner else [content]
    return [] if not isinstance(content, dict) else _lists(content.get("content"))


def _meaning(node: Any) -> str:
    """Return the content of a node as JSON, without the id of its object."""
    return json.dumps(_nameless(node), sort_keys=True)


def _nameless(value: Any) -> Any:
    if isinstance(value, list):
        return [_nameless(child) for child in value]
    if isinstance(value, dict):
        return {key: _nameless(child) for key, child in value.items() if key != "__id__"}
    return value


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


@dataclass
class _ObjectNumbers:
    """The numbers that stand for objects, in the order in which a file first names them."""

    _numbers: dict[object, int] = field(default_factory=dict)

    def number(self, value: Any) -> None:
        """Number all nodes under *value*, outer ones first."""
        if isinstance(value, dict) and "__id__" in value:
            value["__id__"] = self._numbers.setdefault(_object(value), len(self._numbers) + 1)
        for child in _children(value):
            self.number(child)


def _object(node: Node) -> object:
    """Return the identity of the object of *node*: its address, or its value where that never changes."""
    if node.get("__loader__") == "JsonNode":
        return node["__module__"], node["__class__"], node["content"]
    return node["__id__"]
