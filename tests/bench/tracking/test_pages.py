"""Stores with more results than MLflow returns in one page."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from bench.cli.doctor import check_store
from bench.scheduling.rescoring import _runs_of_suite
from bench.tracking import pages, store
from bench.tracking.client import Lookup, Tracker
from bench.tracking.pages import OLDEST, PAGE, every_experiment, every_run, first_run
from bench.tracking.results import REFERENCES, find_run, load

TAGS = {"kind": "run", "variant": "dcgan", "dataset": "digits", "protocol": "p", "curve_protocol": "p", "phase": "final"}


def record(uri: str, experiment: str, seed: int = 0, **tags: str) -> str:
    """Record a finished run and return its id."""
    log = Tracker(uri, experiment).start_run(
        "r", {**TAGS, "seed": str(seed), "fingerprint": f"{seed:016}", "suite": experiment, **tags}, {}
    )
    log.points({"train/loss_d": 1.0}, images=1, train_seconds=0.0)
    log.finish("finished")
    return log.run_id


def add_experiments(path: Path, many: int) -> None:
    """Add experiments of another program, newer than all others."""
    now = int(time.time() * 1000)
    rows = [(1000 + i, f"other-{i:04}", "file:///nowhere", "active", now + i, now + i) for i in range(many)]
    columns = "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(f"INSERT INTO experiments ({columns}) VALUES (?, ?, ?, ?, ?, ?)", rows)


def test_a_store_with_more_experiments_than_one_page(uri: str, tmp_path: Path) -> None:
    run_id, reference = record(uri, "mine"), record(uri, REFERENCES, kind="reference", variant="real")
    add_experiments(tmp_path / "mlflow.db", PAGE + 5)
    client = store.connect(uri)
    assert len(every_experiment(client)) == PAGE + 5 + 3  # with MLflow's experiment Default
    assert set(load(uri, ("mine",)).runs["run_id"]) == {run_id, reference}
    assert load(uri, ("m*",)).experiments == load(uri).experiments == ("mine",)
    assert find_run(client, run_id[:8]).info.run_id == run_id
    assert [run.info.run_id for run in _runs_of_suite(client, "mine")] == [run_id]
    assert f"{PAGE + 8:,} experiments" in check_store(uri).found


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the store return at most two runs in one page."""
    search = MlflowClient.search_runs

    def two(client: MlflowClient, *words: Any, max_results: int = PAGE, **named: Any) -> Any:
        return search(client, *words, max_results=min(max_results, 2), **named)

    monkeypatch.setattr(MlflowClient, "search_runs", two)


@pytest.mark.slow
@pytest.mark.usefixtures("small_pages")
def test_an_experiment_with_more_runs_than_one_page(uri: str) -> None:
    ids = [record(uri, "mine", seed) for seed in range(5)]
    client = store.connect(uri)
    experiment = client.get_experiment_by_name("mine")
    assert experiment is not None
    assert [run.info.run_id for run in every_run(client, [experiment.experiment_id])] == ids
    assert every_run(client, []) == []
    assert [run.info.run_id for run in Lookup.of(uri, "mine").find_phase("final")] == ids[::-1]
    assert sorted(load(uri, ("mine",)).runs["seed"]) == [0, 1, 2, 3, 4]
    assert [run.info.run_id for run in _runs_of_suite(client, "mine")] == ids
    assert find_run(client, ids[-1][:12]).info.run_id == ids[-1]


class Paged:
    """Fake client that returns given pages, and records the queries."""

    def __init__(self, pages: list[list[Any]]) -> None:
        self.pages = pages
        self.queries: list[dict[str, Any]] = []

    def search_runs(self, experiment_ids: list[str], **query: Any) -> list[Any]:
        self.queries.append(query)
        number = int(query.get("page_token") or 0)
        page = type("Page", (list,), {"token": str(number + 1) if number + 1 < len(self.pages) else None})
        return page(self.pages[number][: query["max_results"]])


def run_named(name: str) -> Any:
    return type("Run", (), {"info": type("Info", (), {"run_id": name})})


def test_a_run_on_two_pages_counts_once() -> None:
    client = Paged([[run_named("a"), run_named("b")], [run_named("b"), run_named("c")]])
    assert [run.info.run_id for run in every_run(client, ["1"])] == ["a", "b", "c"]  # type: ignore[arg-type]
    assert len(client.queries) == 2


def test_the_first_run_alone_is_one_page_of_one_run() -> None:
    client = Paged([[run_named("a"), run_named("b")], [run_named("c")]])
    found = first_run(client, "1", "", order=OLDEST)  # type: ignore[arg-type]
    assert found is not None
    assert found.info.run_id == "a"
    assert [query["max_results"] for query in client.queries] == [1]


def test_the_newest_parent_is_found_without_reading_the_others(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = Tracker(uri, "mine")
    parents = [tracker.start_parent(name, {"study": study}) for name, study in (("a", "s"), ("b", "t"), ("c", "t"))]
    monkeypatch.setattr(pages, "every_run", None)
    lookup = Lookup.of(uri, "mine")
    assert (lookup.newest_parent(), lookup.newest_parent("s"), lookup.newest_parent("none")) == (parents[2], parents[0], "")
    assert Lookup.of(uri, "nothing").newest_parent() == ""
