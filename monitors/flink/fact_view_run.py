"""SQL views of facts by Flink: one query over lines of JSON, in batch or as a stream, into lines of JSON.

A view looks at one row at a time; what does not is refused by the plan that Flink makes of it. So the query gives the
same rows of a file, of all files, and in a stream, and can be run on what is new alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features import errors
from monitors.flink import environment_job, file_paths

TIME = "TIMESTAMP_LTZ(3)"
"""The SQL type of a moment, in milliseconds."""
ROW_BY_ROW = ("Calc", "TableSourceScan")
"""Operators of a plan that look at one row at a time, and pass each on at most once."""
_OPERATOR = re.compile(r"^[\s:|+-]*([A-Za-z]+)\(", re.MULTILINE)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_CHANGING = re.compile(
    r"\b(RAND|RAND_INTEGER|UUID|NOW|CURRENT_\w+|LOCALTIME|LOCALTIMESTAMP|PROCTIME|UNIX_TIMESTAMP(?=\(\)))\("
)
"""Functions whose result does not follow from the row alone."""
_OF_TEXT = ("CHAR", "VARCHAR", "STRING")
_AS_TEXT = re.compile(r"(TINYINT|SMALLINT|INT|BIGINT|FLOAT|DOUBLE|DECIMAL)\b.*")
_AS_IT_IS = re.compile(r"(CHAR|VARCHAR|STRING|BOOLEAN)\b.*|TIMESTAMP_LTZ\([0-3]\)")


@dataclass(frozen=True)
class ViewQuery:
    """A view's query, and the table that it reads.

    Parameters
    ----------
    name
        The facts, for messages.
    table, columns
        The table that the query reads, and the SQL types of its columns.
    query
        A SELECT.
    needed
        Columns that its result must have, with what each is: the id, which is text, and times.
    corrected
        Whether later rows correct earlier ones, so that none may be left out.
    """

    name: str
    table: str
    columns: Mapping[str, str]
    query: str
    needed: Mapping[str, str]
    corrected: bool


def run(view: ViewQuery, pages: Sequence[tuple[Path, Path]], logs: Path, *, streaming: bool = False) -> dict[str, str]:
    """Run a view's query over pages of lines of JSON, and return the columns of its result with their SQL types.

    Numbers are written as text, which says NaN and infinity as well; moments in ISO 8601.

    Parameters
    ----------
    view
        The query.
    pages
        For each page the directory of its lines, and the one that its result is written to.
    logs
        Directory of Flink's log.
    streaming
        Whether Flink runs the query as a stream.

    Raises
    ------
    ProjectError
        The query is none, or does not look at one row at a time.
    EngineError
        Flink does not start, or fails.
    """
    tables, columns = environment_job.environment(logs, streaming=streaming), dict[str, str]()
    for page, (source, target) in enumerate(pages):
        tables.execute_sql(_table(view.table, view.columns, source))
        columns = columns or _checked(tables, view)  # the plan is the same for all pages
        texts = {name: kind if _AS_IT_IS.fullmatch(kind) else "STRING" for name, kind in columns.items()}
        tables.create_temporary_view(_result(page), tables.sql_query(view.query))
        tables.execute_sql(_table(_target(page), texts, target))
        values = ", ".join(f"CAST({_quoted(name)} AS {kind})" for name, kind in texts.items())
        try:
            tables.execute_sql(f"INSERT INTO {_target(page)} SELECT {values} FROM {_result(page)}").wait()
        except Exception as error:  # py4j raises bare exceptions
            msg = f"facts {view.name}: Flink could not run the query: {_innermost(error)}"
            raise errors.EngineError(msg, hint=f"see the log in {logs}") from error
        tables.execute_sql(f"DROP TEMPORARY TABLE {_quoted(view.table)}")
    return columns


def examined(view: ViewQuery, folder: Path, logs: Path) -> dict[str, str]:
    """Return the columns of a view's result with their SQL types, without any row. Raises what :func:`run` raises."""
    tables = environment_job.environment(logs, streaming=True)
    tables.execute_sql(_table(view.table, view.columns, folder))
    return _checked(tables, view)


def _checked(tables: Any, view: ViewQuery) -> dict[str, str]:
    """Return the columns of the result with their SQL types. Raises ProjectError if the query is no view."""
    try:
        result = tables.sql_query(view.query)
        plan = str(result.explain()).partition("== Optimized Physical Plan ==")[2].partition("==")[0]
    except Exception as error:  # py4j raises bare exceptions
        msg = f"facts.{view.name}.sql.query is no query of Flink SQL that reads {view.table}: {_innermost(error)}"
        hint = f"the table has {', '.join(view.columns)}; a name that is a word of SQL, like time, stands in backticks"
        raise errors.ProjectError(msg, hint=hint) from error
    columns = {column.getName(): _sql_type(column) for column in result._j_table.getResolvedSchema().getColumns()}
    for problem, fix in _problems(view, plan, columns):
        msg = f"facts.{view.name}.sql.query {problem}"
        raise errors.ProjectError(msg, hint=fix)
    return columns


def _problems(view: ViewQuery, plan: str, columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what keeps a query from being a view, each with its fix."""
    plan = _TEXT.sub("''", plan)
    if others := [name for name in _OPERATOR.findall(plan) if name not in ROW_BY_ROW]:
        fix = "a view looks at one row at a time; aggregates are what features are for: count, sum, mean, last..."
        yield f"looks at more than one row ({others[0]}), so a stream and a batch job could differ", fix
    if changing := _CHANGING.search(plan):
        yield f"calls {changing[1]}, which gives another value each time", "use the columns of the row"
    if view.corrected and "where=[" in plan:
        fix = "write CASE WHEN condition THEN column END in place of WHERE: a version without a value takes a fact back"
        yield "leaves rows out, and the version before of a fact that is corrected would go on counting", fix
    for name, kind in view.needed.items():
        if name not in columns:
            yield f"does not select `{name}`, which is {kind}", f"it selects {', '.join(columns)}"
            continue
        wanted, fitting = ("STRING", _OF_TEXT) if kind == "the id" else (TIME, ("TIMESTAMP_LTZ",))
        if not columns[name].startswith(fitting):
            yield f"has {columns[name]} as `{name}`, which is {kind}", f"write CAST(... AS {wanted}) AS {name}"
    for name, kind in columns.items():
        if not (_AS_TEXT.fullmatch(kind) or _AS_IT_IS.fullmatch(kind)):
            fix = f"select text, numbers, booleans, and moments as {TIME}"
            yield f"has {kind} as `{name}`, which no feature can be made of", fix


def _sql_type(column: Any) -> str:
    """Return the SQL type of a column of a Java schema, like ``DOUBLE``; whether it may be null is left out."""
    return str(column.getDataType().getLogicalType().asSummaryString()).removesuffix(" NOT NULL")


def _table(name: str, columns: Mapping[str, str], folder: Path) -> str:
    """Return the SQL that declares lines of JSON in a directory as a table."""
    declared = ", ".join(f"{_quoted(column)} {kind}" for column, kind in columns.items())
    return (
        f"CREATE TEMPORARY TABLE {_quoted(name)} ({declared}) WITH ('connector' = 'filesystem', "
        f"'path' = '{file_paths.in_sql(folder)}', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')"
    )


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _result(page: int) -> str:
    return f"leeway_result_{page}"


def _target(page: int) -> str:
    return f"leeway_target_{page}"


def _innermost(error: Exception) -> str:
    """Return the innermost message of an error of Java, in one line."""
    java, message = getattr(error, "java_exception", None), str(error)
    while java is not None:
        message, java = java.getMessage() or message, java.getCause()
    return " ".join(message.split())[:500]
