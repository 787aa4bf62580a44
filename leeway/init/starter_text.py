"""Templates of what `leeway init` writes: the commented project file and a starter trainer."""

from __future__ import annotations

import re

from features.schema import Task

HEAD = """\
# A Leeway project. `leeway schema` describes every key; `leeway check` validates it and the events.
# Lengths of time are written like 30s, 15m, 6h, 7d. Secrets are read from environment variables only.
project: {name}

models:
  {model}:
    task: {task}  # {meaning}
    events:
"""
MEANING = {
    Task.BINARY: "the prediction is the probability of label 1; or: regression, multiclass",
    Task.REGRESSION: "the prediction is a number; or: binary, multiclass",
    Task.MULTICLASS: "the prediction is a class; or: binary, regression",
}
MONITOR = """\
    monitor:
      false_alarms: 1 per {days} days  # the guaranteed false-alarm rate; `leeway replay` shows the effect of others
{few}      # error_stream: page_hinkley  # also monitors single losses: fast, outside the guarantee
    # incidents: {{open_after: {{windows: 2, of: 3}}}}  # by default each window of drift opens or extends one
"""
FEW_ROWS = "      min_rows: {rows}  # values of a window below which it is not judged; by default 30\n"
RETRAIN = """\
    signals:  # the action on an incident of each signal: retrain, alert or ignore; a data fault never retrains
      performance: retrain
      label: retrain
      prediction: alert
      feature: alert
      outside_promise: retrain  # drift that the guarantee does not cover may retrain, too, once it lasts
    retrain:  # only `leeway retrain`, `react` and `flows serve` train; without this key Leeway only monitors
      trainer: {trainer}  # in {file} beside this file: edit it
      window: {window}  # how far back training data reach
      evaluation: {evaluation}  # newest labelled events, on which champion and challenger are compared
      cool_down: {cool_down}  # shortest time between two retrains
      schedule: {{interval: {schedule}}}  # retrain also without an incident; the gate decides what serves
      decide: act  # or ask: a promotion waits for `leeway promote`; or suggest: an incident waits for `leeway retrain`
      min_rows: {min_rows}  # labelled rows below which no model is trained
      gate: {{min_rows: {gate_rows}}}  # evaluation rows below which nothing is promoted
      trust:  # types in model files beyond those that skops trusts
"""
TRAINER = '''\
"""The trainer that leeway.yaml names under `retrain`. Edit it for your model."""

from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import {model}
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def static():
    """Return an unfitted model. It is fitted on a DataFrame of features: numbers, NaN if missing, and text or None."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    categories = make_column_selector(dtype_exclude="number")
    numbered = make_column_transformer((encoder, categories), remainder="passthrough")
    return make_pipeline(numbered, {model}(max_iter=50, random_state=0))
'''
TRUST = (
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
"""Types in the starter trainer's models that skops does not trust by default."""


def trainer(task: Task) -> str:
    """Return a module whose `static` makes a model for *task*, of whatever features there are."""
    model = "HistGradientBoostingRegressor" if task is Task.REGRESSION else "HistGradientBoostingClassifier"
    return TRAINER.format(model=model)


def yaml_text(text: str) -> str:
    """Return *text* so that YAML reads it back as the same text: quoted where it would be something else.

    >>> yaml_text("air_temp"), yaml_text("null"), yaml_text("12"), yaml_text("a: b")
    ('air_temp', '"null"', '"12"', '"a: b"')
    """
    plain = re.fullmatch(r"[A-Za-z_.][\w./-]*", text) and text.lower() not in _RESERVED
    return text if plain else '"' + "".join(map(_escaped, text)) + '"'


def comment(text: str) -> str:
    """Return *text* as it can stand after a #: on one line, whatever a column's name holds."""
    return "".join(c if c.isprintable() else " " for c in text)


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


_RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf", ".", ".."}
