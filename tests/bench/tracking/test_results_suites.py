"""Selection of suites by name or glob, without runs of other programs."""

from __future__ import annotations

import pytest

from bench.core.errors import UserError
from bench.tracking.client import Tracker
from bench.tracking.results import REFERENCES, load


def record(uri: str, experiment: str) -> str:
    """Record a finished run of a suite and return its id."""
    log = Tracker(uri, experiment).start_run("r", {"kind": "run", "dataset": "digits", "protocol": "p", "suite": experiment}, {})
    log.finish("finished")
    return log.run_id


def test_a_glob_selects_all_suites_with_runs(uri: str) -> None:
    ids = [record(uri, name) for name in ("quick", "quick-wide", "smoke")]
    external = Tracker(uri, "quick-notes").client
    external.create_run(external.get_experiment_by_name("quick-notes").experiment_id)  # of another program, without tags of ganbench
    found = load(uri, ("quick*",))
    assert (found.runs["run_id"].tolist(), found.experiments) == (ids[:2], ("quick", "quick-wide"))
    assert load(uri, ("s[a-z]oke", "quick")).experiments == ("quick", "smoke")
    assert load(uri, ("quick*", "quick")).runs["run_id"].tolist() == ids[:2]
    assert load(uri, ("*",)).runs["run_id"].tolist() == ids
    for pattern in ("quik*", "quick-note?", "[", f"{REFERENCES}*"):
        with pytest.raises(UserError, match=r"no results of a suite like '.*'; (did you mean 'quick|there is quick, )"):
            load(uri, (pattern,))


def test_a_name_that_looks_like_a_glob_is_a_name_first(uri: str) -> None:
    one, _ = record(uri, "set[1]"), record(uri, "set1")
    assert load(uri, ("set[1]",)).runs["run_id"].tolist() == [one]


def test_a_suite_without_runs_is_named(uri: str) -> None:
    Tracker(uri, "empty")
    found = load(uri, ("empty",))
    assert (found.experiments, found.runs.empty) == (("empty",), True)


def test_external_and_deleted_runs_are_not_read(uri: str) -> None:
    recorded, deleted, dropped = record(uri, "one"), record(uri, "one"), record(uri, "two")
    client = Tracker(uri, "another's").client
    for name in ("another's", "one"):
        run = client.create_run(client.get_experiment_by_name(name).experiment_id)
        client.log_metric(run.info.run_id, "quality/fid_classifier", 1.0)
    client.delete_run(deleted)
    client.delete_experiment(client.get_experiment_by_name("two").experiment_id)
    found = load(uri)
    assert (found.runs["run_id"].tolist(), found.experiments) == ([recorded], ("one",))
    with pytest.raises(UserError, match="no results of a suite 'two'"):
        load(uri, ("two",))
    for run_id, words in ((dropped, "there is no run"), (deleted, "there is no run"), (run.info.run_id, "is not a run of ganbench")):
        with pytest.raises(UserError, match=words):
            load(uri, run_ids=(run_id,))
