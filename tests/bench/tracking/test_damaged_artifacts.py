"""Damaged artifacts of a run. Rescoring and the report name them in one line or ignore them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import small
from damage import damaged, fuzz, mistake
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import Run

from bench.core.config import Evaluation
from bench.runs.rescoring import score
from bench.tracking import results, store
from bench.tracking.results import load
from reports.build import build, write

ARTIFACTS = (results.CONFIG, results.PROTOCOL, results.EVIDENCE, results.ENVIRONMENT, results.CURVES, results.WEIGHTS)
SCORED = 5  # each example takes half a second
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def recorded(finished_suites: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Run]]:
    """Return the URI of a store with finished runs and reference rows, and all its runs."""
    folder = tmp_path_factory.mktemp("recorded")
    small.copy(finished_suites(1), folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    client = store.connect(uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return uri, list(client.search_runs(ids))


@st.composite
def artifacts(draw: st.DrawFn, files: dict[str, bytes]) -> dict[str, bytes]:
    """Draw damaged artifacts of a run, or JSON artifacts with other values."""
    found = {}
    for name in draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=3, unique=True)):
        if name.endswith(".json") and draw(st.booleans()):
            value = json.loads(files[name])
            for key in draw(st.lists(st.sampled_from(sorted(value)), min_size=1, max_size=3)):
                value[key] = draw(VALUE)
            found[name] = json.dumps(value).encode()
        else:
            found[name] = draw(damaged(files[name]))
    return found


@pytest.mark.parametrize("examples", [pytest.param(SCORED, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.faults)])
def test_damaged_artifacts_are_rescored_and_reported(examples: int, recorded: tuple[str, list[Run]], tmp_path: Path) -> None:
    uri, runs = recorded
    run = next(run for run in runs if run.data.tags["kind"] == "run")
    root = Path(run.info.artifact_uri.removeprefix("file://"))
    files = {name: (root / name).read_bytes() for name in ARTIFACTS}

    @fuzz(examples)
    @given(changes=artifacts(files))
    def check(changes: dict[str, bytes]) -> None:
        try:
            for name, content in changes.items():
                (root / name).write_bytes(content)
            mistake(lambda: write(build(load(uri, ("small",)), title="t", small=True), tmp_path / "page"))
            found = score(run.info.run_id, uri, Evaluation(samples=100, standard_errors=False))
            assert found.status in ("finished", "failed")
            assert len(found.reason.splitlines()) <= 1
        finally:
            for name, content in files.items():
                (root / name).write_bytes(content)

    check()
