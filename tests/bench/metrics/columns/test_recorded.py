"""Cards of a user's metrics, which runs store for processes that never import the metrics."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small

from bench.core.config import Evaluation
from bench.core.errors import UserError
from bench.metrics.columns import BUILT_IN, CARDS, Card, card, measured, register_card
from bench.metrics.columns.recorded import described, register_recorded_cards
from bench.metrics.evidence import METRICS, Evidence, metric
from bench.runs.rescoring import score
from bench.tracking.client import Tracker
from bench.tracking.results import PROTOCOL, REFERENCES, load

GREY = Card(key="diversity/grey", title="grey <b>level", direction="lower", unit="of 255", meaning="Mean grey\n  level.", citation="Here")
PLAIN = {"title": "grey <b>level", "direction": "lower", "unit": "of 255", "meaning": "Mean grey level.", "citation": "Here", "version": 1}


pytestmark = pytest.mark.usefixtures("tables")


def grey(evidence: Evidence) -> float:
    return float(evidence.images.float().mean())


def forget() -> None:
    """Remove the metric, as in a process that never imported it."""
    CARDS.pop(GREY.key)
    METRICS.pop(GREY.key, None)


def record(uri: str, carried: Any, value: float = 0.5) -> str:
    """Record a run that measured the metric, with the given value of "cards", and return its id."""
    tags = {"kind": "run", "suite": "one", "variant": "dcgan", "dataset": "digits", "status": "finished"}
    log = Tracker(uri, "one").start_run("r", tags, {})
    log.json(PROTOCOL, {"metrics": {GREY.key: "h"}, "all": "p", "cards": carried})
    log.points({GREY.key: value}, images=10, train_seconds=1.0)
    log.finish("finished")
    return log.run_id


def test_only_what_is_not_built_in_is_described() -> None:
    assert described(measured()) == {}
    register_card(GREY)
    assert described(measured()) == {GREY.key: PLAIN}
    assert set(measured()) - BUILT_IN == {GREY.key}


def test_scale_and_margin_are_recorded_where_they_differ_from_the_defaults() -> None:
    other = replace(GREY, scale="difference", margin=2.0)
    register_card(other)
    assert described(measured()) == {GREY.key: PLAIN | {"scale": "difference", "margin": 2.0}}
    forget()
    register_recorded_cards([("r", {GREY.key: PLAIN | {"scale": "difference", "margin": 2.0}})])
    assert (card(GREY.key).scale, card(GREY.key).same_within) == ("difference", 2.0)


def test_a_card_of_an_earlier_run_has_no_scale_and_is_no_other_metric(caplog: pytest.LogCaptureFixture) -> None:
    register_card(replace(GREY, scale="difference"))
    register_recorded_cards([("old", {GREY.key: PLAIN})])
    assert not caplog.records
    register_recorded_cards([("new", {GREY.key: PLAIN | {"margin": 3.0}})])
    assert "differently from the installed ganbench" in caplog.text
    forget()
    register_recorded_cards([("old", {GREY.key: PLAIN})])
    assert (card(GREY.key).scale, card(GREY.key).same_within) == ("ratio", 1.1)


@pytest.mark.slow
def test_runs_and_rows_are_reported_where_the_metric_was_never_imported(uri: str, tmp_path: Path) -> None:
    metric(GREY)(grey)
    small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan")
    code = (
        "import sys; from bench.cli import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules and 'bench.metrics.evidence' not in sys.modules"
    )
    arguments = ["report", "--suite", "small", "--out", str(tmp_path / "out"), "--csv", str(tmp_path / "csv")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")

    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    everything, glossary = page.partition(f"Every metric of {GREY.group}")[2], page.partition('id="glossary"')[2]
    assert re.search(r"<th[^>]*>\s*<bdi>grey &lt;b&gt;level", everything)
    assert "Mean grey level." in glossary
    assert "of 255" in glossary
    assert "grey <b>level" not in page
    with (tmp_path / "csv" / "runs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["variant"] for row in rows} == {"dcgan", "real", "untrained"}
    assert all(0 < float(row[GREY.key]) < 255 for row in rows)
    with (tmp_path / "csv" / "curves.csv").open(encoding="utf-8") as file:
        assert GREY.key in {row["key"] for row in csv.DictReader(file)}


def test_measured_again_a_run_carries_what_it_was_measured_by(uri: str, executed: Callable[..., None]) -> None:
    executed()
    run_id = load(uri, ("small",)).runs.query("kind == 'run'")["run_id"].item()
    metric(GREY)(grey)
    assert score(run_id, uri, Evaluation(standard_errors=False)).status == "finished"
    forget()
    found = load(uri, ("small",))
    assert found.runs.set_index("run_id").loc[run_id, GREY.key] > 0
    assert card(GREY.key) == replace(GREY, meaning="Mean grey level.", recorded=True)

    assert (
        score(run_id, uri, Evaluation(samples=100, standard_errors=False)).status == "finished"
    )  # this process lacks the metric, so its value and card stay
    assert (load(uri, ("small",)).read_json(run_id, PROTOCOL) or {})["cards"] == {GREY.key: PLAIN}


def test_the_reference_rows_carry_them_too(uri: str) -> None:
    run_id = record(uri, None)
    tracker = Tracker(uri, REFERENCES)
    tags = {"kind": "reference", "variant": "real", "dataset": "digits"}
    log = tracker.start_run("real-digits", tags, {})
    log.json(PROTOCOL, {"metrics": {GREY.key: "h"}, "all": "p", "cards": {GREY.key: PLAIN}})
    log.points({GREY.key: 0.25}, images=0, train_seconds=0.0)
    log.finish("finished")
    assert load(uri, ("one",)).runs.set_index("run_id")[GREY.key].to_dict() == {run_id: 0.5, log.run_id: 0.25}


@pytest.mark.parametrize(
    "carried",
    [
        {GREY.key: PLAIN | {"direction": "up"}},
        {GREY.key: PLAIN | {"title": ""}},
        {GREY.key: PLAIN | {"title": "x" * 81}},
        {GREY.key: PLAIN | {"title": 3}},
        {GREY.key: PLAIN | {"meaning": "a\u202eb"}},
        {GREY.key: PLAIN | {"meaning": "x" * 2001}},
        {GREY.key: PLAIN | {"citation": "\x1b[31m"}},
        {GREY.key: PLAIN | {"version": 0}},
        {GREY.key: PLAIN | {"version": True}},
        {GREY.key: PLAIN | {"version": 10**40}},
        {GREY.key: PLAIN | {"scale": "log"}},
        {GREY.key: PLAIN | {"scale": ["ratio"]}},
        {GREY.key: PLAIN | {"margin": "1.1"}},
        {GREY.key: PLAIN | {"margin": 1.0}},
        {GREY.key: PLAIN | {"margin": True, "scale": "difference"}},
        {GREY.key: {"title": "grey"}},
        {GREY.key: "grey"},
        {"Diversity/Grey": PLAIN},
        {"train/grey": PLAIN},
        {"best/grey": PLAIN},
        {"a" * 100 + "/b": PLAIN},
        {"quality/x\n": PLAIN},
        ["diversity/grey"],
        "diversity/grey",
    ],
)
def test_a_broken_card_is_one_warning_and_ignored(uri: str, carried: Any, caplog: pytest.LogCaptureFixture) -> None:
    before = dict(CARDS)
    run_id = record(uri, carried)
    record(uri, carried)
    found = load(uri, ("one",))
    assert before == CARDS
    assert GREY.key not in found.runs
    (message,) = [one.getMessage() for one in caplog.records if one.name == "bench.metrics.columns.recorded"]
    assert "\n" not in message
    assert len(message) < 400
    assert message.endswith("; its card is ignored")
    assert len(found.runs) == 2
    assert run_id in set(found.runs["run_id"])


def test_a_run_without_any_is_no_fault(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    record(uri, None)
    record(uri, {})
    assert GREY.key not in load(uri, ("one",)).runs
    assert not caplog.records


def test_what_is_built_in_or_registered_here_is_never_overwritten(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    register_card(GREY)
    before = dict(CARDS)
    other = PLAIN | {"direction": "higher"}
    record(uri, {"quality/fid_classifier": other, GREY.key: other})
    assert load(uri, ("one",)).runs[GREY.key].tolist() == [0.5]
    assert before == CARDS
    assert caplog.text.count("differently from the installed ganbench") == 2


def test_of_two_cards_the_newest_run_counts(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    later = PLAIN | {"title": "greyness", "version": 2}
    register_recorded_cards([("new", {GREY.key: later}), ("old", {GREY.key: PLAIN}), ("older", {GREY.key: PLAIN})])
    assert (card(GREY.key).title, card(GREY.key).version) == ("greyness", 2)
    assert [one.getMessage() for one in caplog.records] == [
        f"run old: it describes the metric '{GREY.key}' differently from a newer run; its card is ignored"
    ]
    forget()
    first, second = record(uri, {GREY.key: PLAIN}), record(uri, {GREY.key: later})
    client = Tracker(uri, "one").client
    started = {run_id: client.get_run(run_id).info.start_time for run_id in (first, second)}
    load(uri, ("one",))
    newest = max(started, key=lambda run_id: (started[run_id], run_id))
    assert card(GREY.key).title == {first: "grey <b>level", second: "greyness"}[newest]


def test_a_catalogue_that_is_imported_after_the_reading_counts() -> None:
    register_recorded_cards([("r", {GREY.key: PLAIN})])
    assert card(GREY.key).recorded
    mine = replace(GREY, needs=("classifier",), version=2)
    metric(mine)(grey)
    assert card(GREY.key) == mine
    with pytest.raises(UserError, match="there are two metrics named"):
        register_card(GREY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": " "}, "its title is plain text of 1 to 80 characters, not ''"),
        ({"unit": "u" * 41}, "its unit is plain text of 0 to 40 characters"),
        ({"meaning": "bell\a"}, "its meaning is plain text of 1 to 2000 characters"),
        ({"direction": "down"}, "unknown direction 'down'; there is higher, lower, none"),
        ({"version": 0}, "its version is a whole number from 1, not 0"),
    ],
)
def test_what_could_not_be_carried_is_refused_when_it_is_registered(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"the metric {GREY.key!r}: {message}")):
        register_card(replace(GREY, **change))
    assert GREY.key not in CARDS
