"""Published baselines: looked up by a version name from an event, safely, and equal to the registered ones."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from features import errors
from features.security.file_names import file_name
from leeway import assembly, cli, context
from monitors import report
from monitors.baseline import published
from monitors.baseline.baseline import Renewal
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.job_spec import JobSpec
from registry import operations, queries
from registry.files import published_baselines
from registry.records import Version
from tests.support import incident_world as world
from tests.support import registry_values as make
from tests.unit.leeway.commands.test_why import PROJECT

EVIL = [
    "../../x",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a" * 300,
    "v1\0",
    "\ud83d",
    "v1/",
    "./v1",
    "V1",
    "v1.json",
    "v1\n",
    "~",
    "v1 ",
]


@pytest.fixture
def spec(tmp_path: Path) -> JobSpec:
    """Return a job's spec with `v1` published and registered, beside files that are none of its business."""
    baseline = make.baseline("v1")
    path = published_baselines.publish_baseline(baseline, tmp_path)
    (tmp_path / "x.json").write_text(path.read_text())
    return JobSpec(baseline.events, MonitorPolicy(), str(path.parent), digests={"v1": [baseline.digest]})


@pytest.mark.parametrize("name", EVIL)
def test_a_name_that_is_not_published_is_none(spec: JobSpec, name: str) -> None:
    """Whatever it looks like to a file system; nothing outside the folder is so much as looked at."""
    assert spec.baseline(name) is None
    assert [] == list(published.revisions(spec.baselines, name, spec.digests))
    assert ["v1"] == spec.published()


@given(name=st.text() | st.sampled_from(EVIL), other=st.text() | st.sampled_from(EVIL))
@example(name="V1", other="v1")
@example(name="\ud83d", other="?")
def test_each_name_has_a_file_name_of_its_own(name: str, other: str) -> None:
    """One plain part of a path, short, and another one for another name, on any file system."""
    made = file_name(name)

    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,70}", made)
    assert made == file_name(name)
    assert (name == other) == (made.lower() == file_name(other).lower())
    assert name not in {"v1", "2024.1"} or made == name


@pytest.mark.parametrize("name", ["fraud/2024", "V1", "v1 beta", "ünïcode", "con.", "a" * 150, "..", "sha256-1"])
def test_unusual_names_work(tmp_path: Path, name: str) -> None:
    """A name that somebody registers is found again, beside the plain ones."""
    every = [make.baseline(name), make.baseline("v1")]
    for baseline in every:
        published_baselines.publish_baseline(baseline, tmp_path)
    spec = JobSpec(every[0].events, MonitorPolicy(), str(tmp_path / "m"), digests={})

    assert every[0] == spec.baseline(name)
    assert every[0].digest == spec.in_force(name, Stage.INPUTS, make.NOW).digest
    assert sorted([name, "v1"]) == spec.published()
    assert {"m", "m.sha256"} == {path.name for path in tmp_path.iterdir()}


def test_a_version_published_while_a_job_runs_is_found_at_once(spec: JobSpec) -> None:
    """The next batch knows it, by the sha256 that was published with it."""
    assert spec.baseline("v2") is None
    published_baselines.publish_baseline(make.baseline("v2"), Path(spec.baselines).parent)

    assert make.baseline("v2") == spec.baseline("v2")


def test_a_file_that_nobody_registered_is_no_baseline(spec: JobSpec) -> None:
    """Whoever may write the folder does not thereby make a version."""
    Path(spec.baselines, "v9.json").write_text(make.baseline("v9").model_dump_json())

    assert spec.baseline("v9") is None
    assert ["v1"] == spec.published()


def edit(text: str) -> str:
    """Return a baseline's text with one number changed."""
    return json.dumps({**json.loads(text), "rows": 7})


@pytest.mark.parametrize(
    "harm", [edit, lambda _: "", lambda _: "{}", lambda t: t[:-1], lambda t: t.replace("rows", "rovs")]
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_edited_baseline_is_an_error_in_words(spec: JobSpec, harm: object, version: str) -> None:
    """Known at submission or published later: the place, what is wrong with it, and what to do."""
    path = published_baselines.publish_baseline(make.baseline(version), Path(spec.baselines).parent)
    path.write_text(harm(path.read_text()))  # type: ignore[operator]

    with pytest.raises(errors.ArtifactError, match=f"{version}.json is not what was registered") as caught:
        spec.baseline(version)
    assert "published anew" in caught.value.hint


def test_a_sha256_that_was_edited_with_the_file_does_not_help(spec: JobSpec) -> None:
    """What the registry had at submission came with the job, and lies in no file."""
    text = edit(published.baseline_path(Path(spec.baselines), "v1").read_text())
    published_baselines.publish(Path(spec.baselines), "v1", text)

    with pytest.raises(errors.ArtifactError, match="not what was registered"):
        spec.baseline("v1")


def test_a_baseline_under_another_versions_name_is_refused(tmp_path: Path) -> None:
    """Also where nothing is checked otherwise."""
    path = published_baselines.publish_baseline(make.baseline("v1"), tmp_path)
    path.with_name("v2.json").write_text(path.read_text())

    with pytest.raises(errors.ArtifactError, match="another version, 'v1'"):
        JobSpec(make.baseline("v1").events, MonitorPolicy(), str(path.parent)).baseline("v2")


def test_a_monitor_does_not_start_on_an_edited_baseline(tmp_path: Path) -> None:
    """It says so before a job does; removed, the file is published anew from the registry."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    with context.open(tmp_path) as opened:
        world.begin(opened.registry)
        model = opened.model()
        (path,) = assembly.baselines(opened, model).iterdir()
        whole = path.read_text()
        path.write_text(edit(whole))
        with pytest.raises(errors.ArtifactError, match="not the one in the registry"):
            assembly.spec(opened, model)
        path.unlink()

        assert {v.version: [v.baseline] for v in queries.versions(opened.registry, "late")} == assembly.spec(
            opened, model
        ).digests
        assert whole == path.read_text()
    path.write_text(edit(whole))
    done = CliRunner().invoke(cli.app, ["-p", str(tmp_path), "monitor", "--once"])
    assert isinstance(done.exception, errors.ArtifactError)


def test_what_an_older_release_published_is_published_anew(tmp_path: Path) -> None:
    """It wrote no sha256, and perhaps another text of the same baseline."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    with context.open(tmp_path) as opened:
        world.begin(opened.registry)
        folder = assembly.baselines(opened, opened.model())
        (path,), (digest,) = folder.iterdir(), folder.with_name(f"{folder.name}.sha256").iterdir()
        whole = path.read_text()
        digest.unlink()
        path.write_text(json.dumps(json.loads(whole), indent=1))

        assembly.baselines(opened, opened.model())
        assert (whole, True) == (path.read_text(), digest.is_file())


@pytest.mark.parametrize("name", ["", " v1", "v1\n", "v\x1f1", "\ud83d", "a" * 201, "\u202ev1", "\x1b[2J"])
def test_a_name_that_nothing_can_carry_is_refused_at_registration(tmp_path: Path, name: str) -> None:
    """Before events, jobs or terminals meet it; the hint says what a name may be."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    with context.open(tmp_path) as opened:
        operations.add_model(opened.registry, model="late", task="binary", now=make.NOW)
        with pytest.raises(errors.IllegalMove, match="cannot be the name of a version") as caught:
            operations.add_version(
                opened.registry, Version(model="late", version=name, mode="external", created_at=make.NOW)
            )
    assert "printable characters" in caught.value.hint
    assert all(c in string.printable for c in str(caught.value))


def test_a_later_revision_is_read_beside_the_first(spec: JobSpec) -> None:
    """While a job runs; by the sha256 that was published with it; an edited one is an error."""
    first = make.baseline("v1")
    renewal = Renewal(revision=2, renews=first.digest, before=first.end, since=first.end,
                      valid_from={Stage.INPUTS: make.NOW})  # fmt: skip
    second = first.model_copy(update={"renewal": renewal})
    assert first.digest == spec.in_force("v1", Stage.INPUTS, make.NOW + make.DAY).digest
    path = published_baselines.publish_baseline(second, Path(spec.baselines).parent)

    assert first == spec.baseline("v1")
    assert first.digest == spec.in_force("v1", Stage.INPUTS, make.NOW).digest
    assert second.digest == spec.in_force("v1", Stage.INPUTS, make.NOW + make.DAY).digest
    assert first.digest == spec.in_force("v1", Stage.OUTCOMES, make.NOW + make.DAY).digest
    assert ["v1"] == spec.published()

    path.write_text(edit(path.read_text()))
    published._read.cache_clear()
    with pytest.raises(errors.ArtifactError, match="is not what was registered"):
        spec.in_force("v1", Stage.INPUTS, make.NOW)


def test_the_first_baseline_is_written_as_before_there_were_renewals() -> None:
    """Its sha256 is on record, and in reports."""
    assert "renewal" not in json.loads(report.canonical(make.baseline("v1")))


def test_a_monitor_does_not_start_on_a_revision_that_nobody_registered(tmp_path: Path) -> None:
    """Though its sha256 lies beside it: the registry knows how many there are."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    with context.open(tmp_path) as opened:
        world.begin(opened.registry)
        model = opened.model()
        folder = assembly.baselines(opened, model)
        published_baselines.publish(folder, "v1", "{}", revision=2)
        with pytest.raises(errors.ArtifactError, match="the registry has no such revision"):
            assembly.baselines(opened, model)
