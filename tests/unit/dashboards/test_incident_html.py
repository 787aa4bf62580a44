"""The page of one incident: drifted variables with guarantee and budget share, window history, decision and log."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitors.config import MonitorPolicy
from registry import operations
from registry.connection import Registry
from registry.records import Action, CheckResult
from tests.support import incident_world as world
from tests.support import response_world as response
from tests.unit.dashboards.test_app import Browser

FEATURE, LOSS = "/models/late/incidents/1", "/models/late/incidents/2"


@pytest.fixture(scope="module")
def reg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Five days of which three drifted, and a decision about the loss."""
    root: Path = tmp_path_factory.mktemp("incident")
    with Registry.open(f"sqlite:///{root}/leeway.db", root / "artifacts") as made:
        world.begin(made)
        world.drift(made)
        operations.record_decision(made, model="late", incident_id=2, action=Action.RETRAIN, because=["<b>worse</b>"],
                              actor="ann", now=world.START)  # fmt: skip
        operations.add_model(made, model="other", task="binary", now=world.START)
        yield made


def words(reg: Registry, path: str) -> str:
    """Return the words of a page, without tags, runs of space as one."""
    page = re.sub(r"<script.*?</script>", "", Browser(reg).get(path).text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page).replace("&#39;", "'"))


def test_a_drifted_variable_has_all_its_figures(reg: Registry) -> None:
    """Effect and interval, importance rank, movement, mix, guarantee, budget share, and since when."""
    page = words(reg, FEATURE)

    assert "Feature incident 1" in page
    assert "v1, 3 windows of drift: the first ended on 3 Mar 2024, the newest on 5 Mar 2024" in page
    assert "x all traffic importance rank 1 (75.0 %) 0.343 [0.293, 0.393] js distance log2" in page
    assert "up [1, 2): 50.0 % → 80.0 % [0, 1): 50.0 % → 20.0 %" in page
    assert "A shift within segments of site: 0.300 in all, 0.000 by mix, 0.300 within" in page
    assert "also in site=A 0.343, site=B 0.343" in page
    assert "inside the guarantee the evidence reached 460, and 450 was required budget share 2.0 %" in page
    assert "since 3 Mar 2024 ; newest verdict: drift continues" in page
    assert "1 other drifted variable" in page
    assert "First window 2 Mar 2024" in page


def test_the_minimum_effect_is_shown_where_the_policy_is_known(reg: Registry) -> None:
    """The command gives it to the app."""
    assert "minimum effect" not in words(reg, FEATURE)

    page = Browser(reg, policies={"late": MonitorPolicy()}).get(FEATURE).text
    assert "minimum effect 0.1; threshold of a single window 0.1" in page


def test_the_decision_and_the_log_are_shown(reg: Registry) -> None:
    """Who decided what and because of what; markup in it is shown, not run."""
    raw, page = Browser(reg).get(LOSS).text, words(reg, LOSS)

    assert "retrain decided by ann, 1 Mar 2024" in page
    assert "&lt;b&gt;worse&lt;/b&gt;" in raw
    assert "auc: 0.7 → 0.6" in page
    assert "opened leeway variables loss; severity critical" in page
    assert "First window" not in page
    assert "No decision yet: waiting for the next decision run, or for steady windows if" in words(reg, FEATURE)


def test_who_has_seen_an_incident_is_shown(tmp_path: Path) -> None:
    """On its page, in the model's status and in the log, with markup as text."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as made:
        world.begin(made)
        world.drift(made)
        operations.acknowledge_incident(made, 1, because="<b>on it</b>", actor="ann", now=world.START)
        assert "Acknowledged at 1 Mar 2024 by ann: <b>on it</b>." in html.unescape(words(made, FEATURE))
        assert "&lt;b&gt;on it&lt;/b&gt;" in Browser(made).get(FEATURE).text
        assert "(incident 1, acknowledged by ann)" in words(made, "/")


def test_a_correction_by_late_data_is_shown(tmp_path: Path) -> None:
    """A window that is steady now, how often that happened, and what changed."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as made:
        world.begin(made)
        world.drift(made)
        world.late(made)
        page = words(made, FEATURE)

    assert "corrected by late data 1 time" in page
    assert "Corrected by late data: this window has no drift any more." in page
    assert "2024-03-03 00:00 inputs (site=A): drift, now steady" in page


def test_the_window_history_can_be_walked_back(reg: Registry) -> None:
    """Up to a time; before everything there is nothing, said in words."""
    page = words(reg, FEATURE + "?until=2024-03-02T12:00")
    assert "Later →" in page
    assert "2 Mar 2024" in page

    shown = Browser(reg).get("/api" + FEATURE + "?until=2024-03-02T12:00").json()
    assert ["2024-03-02T00:00:00Z"] == shown["grid"]["ends"]
    assert [1] == [len(t["points"]) for t in shown["evidence"] if not t["segment"]]

    empty = words(reg, FEATURE + "?until=2023-01-01")
    assert "These windows were judged one by one; no evidence over time is stored." in empty
    assert "No window of this version is stored that ends by 1 Jan 2023." in empty


def test_rows_of_incidents_lead_to_their_pages(reg: Registry) -> None:
    """On the model's page, and on a window's."""
    seen = Browser(reg)

    assert f'href="{FEATURE}"' in seen.get("/models/late").text
    assert f'href="{LOSS}"' in seen.get("/models/late/windows/v1/outcomes/2024-03-05").text


def test_a_windows_page_has_the_single_window_verdict_and_the_sequential_one(reg: Registry) -> None:
    """The interval, both verdicts, the guarantee and the budget share."""
    page = words(reg, "/models/late/windows/v1/inputs/2024-03-05")

    assert "0.343 [0.293, 0.393]" in page
    assert "Drift: far" in page
    assert "inside the guarantee drift continues budget share 2.0 %" in page


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/models/late/incidents/9", "There is no incident 9."),
        ("/models/other/incidents/1", "There is no incident 1 of other."),
        ("/models/late/incidents/first", "This address cannot be read (number:"),
    ],
)
def test_an_incident_that_is_not_there_is_an_error_page(reg: Registry, path: str, message: str) -> None:
    """Unknown, of another model, or no number."""
    answer = Browser(reg).get(path)

    assert 404 == answer.status_code
    assert message in answer.text


def test_the_api_says_what_the_page_says(reg: Registry) -> None:
    """Explanations, evidence and the grid of verdicts under the page's own address."""
    shown = Browser(reg).get("/api" + FEATURE).json()

    assert [460.0, 0.0, 0.0] == [p["total"] for p in shown["evidence"][0]["points"]][1:]
    assert "2024-03-03T00:00:00Z" == shown["newest"]["drifted"][1]["onset"]["end"]
    assert ["", "site=A", "site=B"] == [row["segment"] for row in shown["grid"]["rows"]]
    assert [False, True, True, True] == shown["grid"]["inside"]


def test_a_held_run_shows_revisions_data_and_trial(tmp_path: Path) -> None:
    """On the incident's page, and on the model's, where its badge is."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as made:
        response.held(made)
        page, model, raw = words(made, FEATURE), words(made, "/models/late"), Browser(made).get("/models/late").text

    assert "Decision: retrain ; waits for labels: run 1 is held, v2 answers in shadow" in page
    assert "retrain decided by leeway, 6 Mar 2024 , revision 2 (the newest)" in page
    assert "no action decided by leeway, 5 Mar 2024 , revision 1 too few labels" in page
    assert "v2 was trained on 1 200 rows of 4 Feb – 4 Mar 2024" in page
    assert "Trial: loss of v2 minus that of v1 on the same rows" in page
    assert "better 3.2 of 20 undecided" in page
    assert '<span class="badge held">' in raw
    assert "run 1, as of 5 Mar 2024 , 90 s, 1 of 2 checks passed" in model


def test_a_watch_shows_whether_the_promotion_helped(tmp_path: Path) -> None:
    """On both pages, with its looks and the command that undoes it; the API has the same."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as made:
        response.watched(made, CheckResult.HOLD, CheckResult.PASS)
        page, other, model = words(made, FEATURE), words(made, LOSS), words(made, "/models/late")
        shown = Browser(made).get("/api" + FEATURE).json()["response"]
        effects = Browser(made).get("/api/models/late").json()["effects"]

    for text in (page, model):
        assert "better Loss 12 % lower than v1 would have had, 95 % 8 to 16 % lower in the newest look" in text
        assert "Watch: loss of v2 minus that of v1" in text
    assert "The incident ended with another promotion, which replaced v1." in other
    assert "leeway rollback --model late --to v1 --because" in page.replace("&#34;", '"')
    assert [2, "better"] == [len(shown["retrains"][0]["effect"]["looks"]), effects["2"]["state"]]


def test_a_rollback_by_the_system_is_shown(tmp_path: Path) -> None:
    """The promotion did harm, and the rollback can be undone."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as made:
        response.rolled_back(made)
        page = words(made, FEATURE)

    assert "it did harm: worse; rolled back to v1 on 2024-03-26" in page
    assert "the rollback to v1: v2 and its baseline serve again" in page
