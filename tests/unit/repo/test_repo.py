"""Repository rules: import fences of frameworks, file sizes, names, and what must never be committed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("leeway", "features", "monitors", "registry", "retrain_flows", "serving", "alerts", "dashboards")
#: Which files may import a framework; everything else is told about it in plain values.
FENCES = {
    "pyflink": r"monitors/flink/\w+_job\.py",
    "prefect": r"retrain_flows/orchestration/"
    r"(flows|flow_(artifacts|cleanup|runner|tasks)|deployments|prefect_outage|server_main)\.py",
    "sqlalchemy": r"(registry|alembic)/.*|leeway/landed/tables/(database|table_queries)\.py",
    "alembic": r"(registry|alembic)/.*",
    "fastapi": r"(dashboards/.*|serving/.*|\w+/app\.py)",
    "starlette": r"(dashboards/.*|serving/.*|\w+/app\.py)",
    "treelite": r"serving/predictors/fast\.py",
    "prometheus_client": r"serving/online/metrics\.py",
    "httpx": r"features/kafka/schema_registry\.py|alerts/.*"
    r"|leeway/streaming/flink_rest\.py|retrain_flows/orchestration/prefect_outage\.py",
    "skops": r"registry/.*",
    "evidently": r"retrain_flows/.*",
    "river": r"registry/files/artifacts\.py|monitors/error_stream/rank_detectors\.py",
    "kafka": r"features/kafka/connections\.py|leeway/stack/broker\.py",
    "cronsim": r"retrain_flows/cron\.py",
    "fastavro": r"features/kafka/avro\.py",
    "rich": r"leeway/.*|examples/.*",
    "typer": r"leeway/.*",
}


def tracked(pattern: str = "") -> list[Path]:
    """Return the files that git knows or would take, by regular expression."""
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return [Path(p) for p in out if re.search(pattern, p) and (ROOT / p).is_file()]


@cache
def imports(path: Path) -> set[str]:
    """Return the top-level packages that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


SOURCES = [p for p in tracked(r"\.py$") if p.parts[0] in ROOMS]


@pytest.mark.parametrize("framework", FENCES)
def test_a_framework_stays_behind_its_fence(framework: str) -> None:
    """Only the files of FENCES import the framework; move the call there, and pass plain values."""
    allowed = re.compile(FENCES[framework])
    outside = [str(p) for p in SOURCES if framework in imports(p) and not allowed.fullmatch(str(p))]

    assert [] == outside


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_module_says_why_it_exists_and_stays_small(path: Path) -> None:
    """It opens with a docstring, has at most 250 lines, and is not named like a module of the standard library."""
    text = (ROOT / path).read_text()

    assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
    assert text.count("\n") <= 250, f"{path} is long: it probably holds two nouns"
    assert path.stem == "__init__" or path.stem not in sys.stdlib_module_names or path.stem.startswith("__")


def test_nothing_is_pickled() -> None:
    """No room imports pickle, joblib or dill: model files are opened by skops under a trust list."""
    assert [] == [str(p) for p in SOURCES if imports(p) & {"pickle", "joblib", "dill", "cloudpickle", "shelve"}]


def test_no_download_address_and_no_path_of_a_machine_is_committed() -> None:
    """Locks hold hashes, not hosts; files name no home or temporary directory."""
    hosts = re.compile(r"https?://[\w.-]*(pypi|pythonhosted|maven|npmjs|debian)[\w.-]*/|/(root|home)/\w")
    texts = [p for p in tracked() if p.suffix in {".py", ".md", ".txt", ".toml", ".yaml", ".yml", ".html", ""}]
    found = [str(p) for p in texts if p.name != "test_repo.py" and hosts.search((ROOT / p).read_text(errors="replace"))]

    assert [] == found


def test_every_make_target_has_a_line_of_help() -> None:
    """`make help` lists what a newcomer may type."""
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())  # type: ignore[index]
    helped = set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))

    assert phony == helped
    assert {"demo", "test", "test-fast", "check", "bench"} <= helped


def test_every_command_is_in_the_readme() -> None:
    """A command that the README does not mention is not known to exist."""
    from leeway.cli import app

    names = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    groups = {g.name for g in app.registered_groups if g.name}
    readme = (ROOT / "README.md").read_text()

    assert set() == {n for n in names | groups if f"leeway {n}" not in readme}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_function_of_ten_lines_says_what_it_promises(path: Path) -> None:
    """A private one too: its first line says what it returns or does."""
    functions = (n for n in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(n, ast.FunctionDef))
    silent = [
        f"{node.lineno} {node.name}"
        for node in functions
        if not ast.get_docstring(node)
        and not node.name.startswith("__")
        and (node.body[-1].end_lineno or 0) - node.body[0].lineno >= 9
    ]

    assert [] == silent
