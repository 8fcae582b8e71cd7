"""Runs, parent runs and reference rows record their origin and their data, also after they resume."""

from __future__ import annotations

from pathlib import Path

import pytest
import small
from mlflow.entities import Run

from bench.core.config import DATASETS
from bench.core.spec import Examples
from bench.data.digits import Digits
from bench.runs import runner
from bench.runs.origin import inputs_of, origin
from bench.tracking import store
from bench.tracking.pages import every_experiment, every_run
from bench.tracking.results import REFERENCES
from bench.tracking.view_state import PREFIX
from bench.tracking.views import NAMES


def runs_of(uri: str, name: str = "small") -> list[Run]:
    client = store.connect(uri)
    (found,) = (experiment.experiment_id for experiment in every_experiment(client) if experiment.name == name)
    return every_run(client, [found])


def test_a_suite_records_origin_and_data(uri: str, tmp_path: Path) -> None:
    small.execute(uri, tmp_path, seeds=1)
    runs = runs_of(uri) + runs_of(uri, REFERENCES)
    assert {run.data.tags["kind"] for run in runs} == {"run", "parent", "reference"}
    digest = DATASETS.get("digits").digest()
    for run in runs:
        assert origin().items() <= run.data.tags.items()
        data = sorted((one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs)
        wanted = [("digits", f"{digest[:16]}-test"), ("digits", f"{digest[:16]}-train")]
        assert data == ([] if run.data.tags["kind"] == "parent" else wanted)
    experiment = store.connect(uri).get_experiment_by_name("small")
    assert {key.removeprefix(PREFIX) for key in experiment.tags if key.startswith(PREFIX)} == set(NAMES)


def test_a_resumed_run_has_the_origin_of_the_process_that_resumes_it(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, context = small.config(), small.context(uri, tmp_path)
    monkeypatch.setattr(runner, "origin", dict)  # as in earlier versions
    monkeypatch.setattr(runner, "inputs_of", lambda dataset: [])
    stops = iter([False, False, True])
    assert runner.run(config, context, stop=lambda: next(stops, True)).status == "interrupted"
    monkeypatch.undo()
    runner.run(config, context)
    (run,) = runs_of(uri)
    assert run.data.tags["status"] == "finished"
    assert origin().items() <= run.data.tags.items()
    assert len(run.inputs.dataset_inputs) == 2


def test_the_inputs_read_no_example(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Digits()
    dataset.digest()

    def read(self: Digits, name: str) -> Examples:
        raise AssertionError(name)

    monkeypatch.setattr(Digits, "split", read)
    assert len(inputs_of(dataset)) == 2
