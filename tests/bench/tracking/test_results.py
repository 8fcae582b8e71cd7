"""Reading recorded runs."""

from __future__ import annotations

import io
import json
import math
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.core.errors import UserError
from bench.metrics.columns import BEST, SE, measured
from bench.tracking.client import Tracker
from bench.tracking.curves import CURVE_COLUMNS, curve
from bench.tracking.results import PROTOCOL_COLUMNS, REFERENCES, RUN_COLUMNS, STUDY, find_run, load


def record(uri: str, experiment: str, **tags: str) -> str:
    log = Tracker(uri, experiment).start_run("r", {"kind": "run", "dataset": "digits", "protocol": "p", "suite": experiment, **tags}, {})
    log.json("protocol.json", {"metrics": {"quality/fid_classifier": "h"}, "all": "p"})
    log.finish("finished")
    return log.run_id


def test_columns_exist_even_without_runs(uri: str) -> None:
    Tracker(uri, "empty")
    found = load(uri, ("empty",))
    assert list(found.runs.columns) == list(RUN_COLUMNS)
    assert list(found.curves.columns) == list(CURVE_COLUMNS)
    assert list(found.protocols.columns) == list(PROTOCOL_COLUMNS)


def test_many_columns_can_be_added_to_without_a_warning(uri: str) -> None:
    log = Tracker(uri, "one").start_run("r", {"kind": "run", "suite": "one"}, {})
    log.points({f"{prefix}{key}": 1.0 for key in measured() for prefix in ("", BEST)}, images=1, train_seconds=1.0)
    log.points({f"{key}{SE}": 1.0 for key in measured()}, images=1, train_seconds=1.0)
    log.finish("finished")
    runs = load(uri, ("one",)).runs
    assert runs.shape[1] > 100
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.PerformanceWarning)
        runs.assign(one_more=1)


def test_an_old_run_without_tags_is_read(uri: str) -> None:
    record(uri, "one")
    row = load(uri, ("one",)).runs.iloc[0]
    assert (row["variant"], row["seed"], row["reason"]) == ("", -1, "")


def test_reference_rows_belong_to_runs_of_their_data_and_protocol(uri: str) -> None:
    record(uri, "one", variant="dcgan")
    mine = record(uri, REFERENCES, kind="reference", variant="real")
    record(uri, REFERENCES, kind="reference", variant="real", protocol="another")
    record(uri, REFERENCES, kind="reference", variant="real", dataset="fashion-mnist")
    runs = load(uri, ("one",)).runs
    assert runs[runs["kind"] == "reference"]["run_id"].tolist() == [mine]


def test_by_suite_by_run_and_all(uri: str) -> None:
    one, two = record(uri, "one"), record(uri, "two")
    assert load(uri, ("two",)).runs["run_id"].tolist() == [two]
    assert load(uri).runs["run_id"].tolist() == [one, two]
    assert load(uri).experiments == ("one", "two")
    assert load(uri, run_ids=(one,)).runs["run_id"].tolist() == [one]


def test_protocols_are_tidy(uri: str) -> None:
    one = record(uri, "one")
    assert load(uri, ("one",)).protocols.to_dict("records") == [{"run_id": one, "key": "quality/fid_classifier", "protocol": "h"}]


def test_curves_of_several_runs_keep_every_point_with_its_run(uri: str) -> None:
    ids, expected = [], []
    for factor, keys in ((1, ("train/loss_g", "train/loss_d")), (2, ("train/loss_d", "quality/fid_classifier"))):
        log = Tracker(uri, "one").start_run("r", {"kind": "run", "dataset": "digits", "protocol": "p", "suite": "one"}, {})
        for images in (10, 20):
            log.points(dict.fromkeys(keys, factor * images / 10), images=images, train_seconds=images / 100)
        log.finish("finished")
        ids.append(log.run_id)
        expected += [(log.run_id, images, images / 100, key, factor * images / 10) for images in (10, 20) for key in keys]
    curves = load(uri, ("one",)).curves
    assert sorted(curves.itertuples(index=False, name=None)) == sorted(expected)
    assert list(curves["run_id"].cat.categories) == sorted(ids)
    of_d = curve(curves, ("train/loss_d",))
    assert sorted(zip(of_d["run_id"], of_d["value"], strict=True)) == sorted(zip(np.repeat(ids, 2), (1.0, 2.0, 2.0, 4.0), strict=True))
    assert of_d.dtypes[["run_id", "key"]].tolist() == [object, object]


def test_unknown_names_and_ids(uri: str) -> None:
    record(uri, "quick")
    with pytest.raises(UserError, match="no results of a suite 'quik'; did you mean 'quick'"):
        load(uri, ("quik",))
    with pytest.raises(UserError, match="there is no run 'nothing' in the store"):
        load(uri, run_ids=("nothing",))


def test_the_first_digits_of_an_id_are_enough(uri: str) -> None:
    one, two = record(uri, "one"), record(uri, "two")
    assert load(uri, run_ids=(one[:6], two[:12])).runs["run_id"].tolist() == [one, two]
    assert load(uri, run_ids=(one[:8], one)).runs["run_id"].tolist() == [one]


@pytest.mark.parametrize("run_id", ["abcdef", "f" * 32, "abcde", "", "ABCDEF0", "../../etc", "x" * 500, "a' or '1' = '1"])
def test_an_invalid_id_is_one_line(uri: str, run_id: str) -> None:
    record(uri, "one")
    with pytest.raises(UserError, match="there is no run ") as error:
        load(uri, run_ids=(run_id,))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


def test_first_digits_of_several_runs_are_one_line() -> None:
    runs = [SimpleNamespace(info=SimpleNamespace(run_id=f"abcdef{digit}" + "0" * 25)) for digit in "12"]
    page = type("Page", (list,), {"token": None})(runs)
    experiments = type(page)([SimpleNamespace(experiment_id="1")])
    client = SimpleNamespace(search_experiments=lambda **_: experiments, search_runs=lambda *_, **__: page)
    with pytest.raises(UserError, match="'abcdef' are the first digits of 2 runs: abcdef100000, abcdef200000"):
        find_run(client, "abcdef")
    assert find_run(client, "abcdef1") is runs[0]


def test_a_deleted_run_is_not_loaded(uri: str) -> None:
    run_id = record(uri, "one")
    Tracker(uri, "one").client.delete_run(run_id)
    with pytest.raises(UserError, match="there is no run"):
        load(uri, run_ids=(run_id,))


def test_parents_and_reference_rows_are_not_training_runs(uri: str) -> None:
    parent = Tracker(uri, "one").start_parent("p", {})
    reference = record(uri, REFERENCES, kind="reference", variant="real")
    with pytest.raises(UserError, match=f"the run {parent} is a parent run; give the id of a training run"):
        load(uri, run_ids=(parent,))
    with pytest.raises(UserError, match=f"the run {reference} is a reference row; give the id of a training run"):
        load(uri, run_ids=(reference[:10],))


def test_requested_runs_must_be_of_the_requested_suites(uri: str) -> None:
    one, two = record(uri, "one"), record(uri, "two")
    assert load(uri, ("one", "two"), run_ids=(two,)).runs["run_id"].tolist() == [two]
    with pytest.raises(UserError, match=f"the run {one} is of the suite 'one', not of 'two'"):
        load(uri, ("two",), run_ids=(one,))


def test_versions_lineage_and_the_best_checkpoint_are_columns(uri: str) -> None:
    tags = {"results_version": "1", "variant_version": "2", "extends": "abc", "lineage": "def"}
    log = Tracker(uri, "one").start_run("r", {"kind": "run", "suite": "one", **tags}, {"budget.images": None, "budget.train_seconds": 60.0})
    log.points({"best/quality/fid_classifier": 3.5, "best/nothing": 1.0, "nothing": 1.0}, images=10, train_seconds=1.0)
    log.finish("finished")
    record(uri, "one")
    runs = load(uri, ("one",)).runs
    assert {name: runs[name][0] for name in tags} == tags
    assert {name: runs[name][1] for name in tags} == dict.fromkeys(tags, "")
    assert runs["best/quality/fid_classifier"][0] == 3.5
    assert not {"best/nothing", "nothing"} & set(runs.columns)
    assert (runs["param:budget.images"][0], runs["param:budget.train_seconds"][0]) == ("None", "60.0")


def test_a_damaged_json_artifact_is_logged_and_left_out(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_id = record(uri, "one")
    found = load(uri, ("one",))
    path = found.artifact(run_id, "protocol.json")
    assert path is not None
    path.write_text("{broken")
    assert found.read_json(run_id, "protocol.json") is None
    assert "protocol.json" in caplog.text


def test_a_damaged_curve_is_logged_and_the_others_are_read(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    one, two = record(uri, "one"), record(uri, "one")
    found = load(uri, ("one",))
    for run_id, content in ((one, b"PAR1 no parquet"), (two, (found.artifact(two, "curves.parquet") or Path()).read_bytes())):
        path = found.artifact(run_id, "curves.parquet")
        assert path is not None
        path.write_bytes(content)
    assert load(uri, ("one",)).runs["run_id"].tolist() == [one, two]
    assert f"curves.parquet of run {one}" in caplog.text
    assert two not in caplog.text


GOOD_CURVE = {"images": [10], "seconds": [0.1], "key": ["train/loss_d"], "value": [1.0]}


@pytest.mark.parametrize(
    "odd",
    [
        {"value": ["high"]}, {"value": [[1.0]]}, {"images": ["ten"]}, {"images": [math.nan]}, {"images": [math.inf]}, {"key": [3]}, {"key": [b"k"]},
        {"seconds": [{"a": 1}]}, {"value": None}, {"key": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_curve_with_other_columns_is_logged_and_left_out(
    odd: dict[str, list[object] | None], uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = record(uri, "one"), record(uri, "one")
    found = load(uri, ("one",))
    columns = {name: values for name, values in {**GOOD_CURVE, **odd}.items() if values is not None}
    for run_id, content in ((one, columns), (two, GOOD_CURVE)):
        path = found.artifact(run_id, "curves.parquet")
        assert path is not None
        pd.DataFrame(content).to_parquet(path)
    assert load(uri, ("one",)).curves.to_dict("records") == [{"run_id": two, **{name: values[0] for name, values in GOOD_CURVE.items()}}]
    assert f"curves.parquet of run {one}" in caplog.text


def test_hashes_that_are_not_text_are_left_out(uri: str) -> None:
    run_id = record(uri, "one")
    path = load(uri, ("one",)).artifact(run_id, "protocol.json")
    assert path is not None
    path.write_text('{"metrics": {"a": NaN, "b": null, "c": [1], "d": "hash", "e": {"f": 1}}, "cards": [NaN]}')
    assert load(uri, ("one",)).protocols[["key", "protocol"]].to_numpy().tolist() == [["d", "hash"]]


def test_a_protocol_of_another_form_is_left_out(uri: str) -> None:
    run_id = record(uri, "one")
    path = load(uri, ("one",)).artifact(run_id, "protocol.json")
    assert path is not None
    path.write_text('{"metrics": ["quality/fid_classifier"]}')
    assert load(uri, ("one",)).protocols.empty


def test_a_run_requested_twice_is_read_once(uri: str) -> None:
    one = record(uri, "one")
    assert load(uri, run_ids=(one, one)).runs["run_id"].tolist() == [one]


def test_standard_errors_and_the_headline_are_read(uri: str) -> None:
    tracker = Tracker(uri, "one")
    log = tracker.start_run("r", {"kind": "run", "dataset": "ring8", "headline": "modes/reverse_kl", "suite": "one"}, {})
    log.finish("finished")
    for key in ("modes/reverse_kl", "modes/reverse_kl_se", "best/modes/reverse_kl_se", "modes/unheard_of_se"):
        tracker.client.log_metric(log.run_id, key, 0.5)
    row = load(uri, ("one",)).runs.iloc[0]
    assert row["headline"] == "modes/reverse_kl"
    assert {key for key in row.index if "/" in key} == {"modes/reverse_kl", "modes/reverse_kl_se", "best/modes/reverse_kl_se"}


def parent_of(uri: str, study: str, recorded: str | None) -> str:
    """Create the parent run of a study with a text as its artifact."""
    tracker = Tracker(uri, study)
    run_id = tracker.start_parent(study, {"study": study})
    if recorded is not None:
        tracker.client.log_text(run_id, recorded, STUDY)
    time.sleep(0.002)  # so that start times differ
    return run_id


def test_each_study_is_read_from_its_newest_parent(uri: str) -> None:
    one = record(uri, "b", study="b", phase="search", trial="3")
    for study, recorded in (("b", {"format": 1}), ("b", {"format": 2, "study": "another"}), ("a", {})):
        parent_of(uri, study, json.dumps(recorded))
    found = load(uri)
    assert found.studies == ({"study": "a"}, {"format": 2, "study": "b"})
    row = found.runs.iloc[0]
    assert (row["run_id"], row["study"], row["phase"], row["trial"], row["recipe"]) == (one, "b", "search", "3", "")
    assert load(uri, ("b",)).studies == ({"format": 2, "study": "b"},)
    assert load(uri, run_ids=(one,)).studies == ()


@pytest.mark.parametrize("broken", [None, "", "[1]", '{"half": ', "\x00", "[" * 100_000])
def test_a_parent_without_a_record_is_skipped(uri: str, broken: str | None, caplog: pytest.LogCaptureFixture) -> None:
    record(uri, "s", study="s", phase="search")
    parent_of(uri, "s", broken)
    assert load(uri, ("s",)).studies == ()
    assert "the study 's' has no study.json that can be read" in caplog.text
    parent_of(uri, "s", "{}")
    parent_of(uri, "s", broken)
    assert load(uri, ("s",)).studies == ({"study": "s"},)


def test_the_parent_of_a_suite_is_not_a_study(uri: str) -> None:
    record(uri, "one")
    Tracker(uri, "one").start_parent("p", {"suite": "one"})
    assert load(uri).studies == ()


def test_runs_of_a_study_have_its_name_without_a_suite(uri: str) -> None:
    log = Tracker(uri, "s").start_run("r", {"kind": "run", "dataset": "digits", "study": "s"}, {})
    log.finish("finished")
    assert load(uri, ("s",)).experiments == ("s",)


@pytest.mark.parametrize(("budget", "expected"), [("30", [10, 20]), ("None", [10, 20, 30])])
def test_sample_grids_of_training_exclude_the_final_one_and_those_beyond_it(uri: str, budget: str, expected: list[int]) -> None:
    log = Tracker(uri, "small").start_run("a", {"kind": "run", "variant": "dcgan"}, {"budget.images": budget})
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, format="PNG")
    for step in (10, 20, 30, 40):  # a run with a budget in seconds may have reached 40 before it was killed
        log.image("samples", step, buffer.getvalue())
    log.points({"train/loss_d": 1.0}, images=33, train_seconds=1.0)
    log.finish("finished")
    found = load(uri, ("small",))
    assert [step for step, _ in found.grids(log.run_id)] == [10, 20, 30, 40]  # without a final one
    final = Tracker(uri, "small").client
    final.log_dict(log.run_id, {}, "grids/final.png")
    assert [step for step, _ in load(uri, ("small",)).grids(log.run_id)] == expected
