"""Declarations of transforms: which function of the project makes a feature of which others.

Only the project file names functions: nothing that arrives as data is ever imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from features.schema import FeatureKind
from features.values.name_pairs import name_pairs

FUNCTION = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"
"""An import path, module:function."""


def _pairs(value: Any) -> Any:
    """Return the pairs (parameter, feature) that inputs describe."""
    return name_pairs(value, "names no features: write a list of them, like [origin, dest], or {parameter: feature}")


Inputs = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(_pairs, json_schema_input_type=list[str] | dict[str, str]),
    PlainSerializer(dict, return_type=dict[str, str]),
]
"""Parameters of a function, each with the feature that is passed to it."""


class TransformFeature(BaseModel):
    """A feature that a function of the project computes of other features of the row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: FeatureKind = Field(description="numeric or categorical")
    transform: str = Field(pattern=FUNCTION, description="the function, as module:function beside the project file")
    inputs: Inputs = Field(
        min_length=1, description="features that it is called with: a list, or {parameter: feature}; numbers or texts"
    )
    output: str | None = Field(
        None, description="which of the columns that it returns by name; absent: it returns one column"
    )


class Call(NamedTuple):
    """One call of a function, which gives one feature or several: the features by name."""

    function: str
    inputs: tuple[tuple[str, str], ...]
    features: Mapping[str, TransformFeature]


class Transforms(BaseModel):
    """The transforms of one model; sent to Flink's workers as a value.

    Parameters
    ----------
    features
        The features that they make.
    kinds
        The kinds of all features of the model.
    folder
        The folder of the project file, in which their modules are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: dict[str, TransformFeature] = {}
    kinds: dict[str, FeatureKind] = {}
    folder: str = ""

    def calls(self) -> Iterator[Call]:
        """Yield the calls in the order in which features are declared; equal ones are one."""
        together: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, TransformFeature]] = {}
        for name, one in self.features.items():
            together.setdefault((one.transform, one.inputs), {})[name] = one
        yield from (Call(*key, features) for key, features in together.items())


NO_TRANSFORMS = Transforms()
"""The transforms of a model that has none."""


def problems(features: Mapping[str, Any], kinds: Mapping[str, FeatureKind]) -> list[tuple[str, str, str]]:
    """Return feature, key and message of what is wrong with transforms beside the features that they name.

    Parameters
    ----------
    features
        All features of the model as they are declared.
    kinds
        Their kinds.
    """
    mistakes = []
    for name, one in features.items():
        for _, column in one.inputs if isinstance(one, TransformFeature) else ():
            if column not in kinds:
                mistakes.append(
                    (name, "inputs", f"{column!r} is none of the features: declare it, or name another one")
                )
            elif isinstance(features[column], TransformFeature):
                mistakes.append((name, "inputs", f"{column!r} is made by a transform too: call one function for both"))
    return mistakes
