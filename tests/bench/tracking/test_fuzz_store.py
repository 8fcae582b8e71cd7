"""Whatever a store says of runs: what reads it says so in one line or passes over it, and no run is taken for what it is not."""

from __future__ import annotations

import json
import math
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import small
from damage import at_every_size, damaged, fuzz, mistake
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.entities import Experiment, Metric, Param, Run, RunData, RunInfo, RunTag
from mlflow.store.entities import PagedList

from bench.core.config import Evaluation
from bench.runs.rescore import score
from bench.scheduling.planner import changed_versions, decide, extended
from bench.scheduling.suite import plan
from bench.tracking import results, store
from bench.tracking.client import Lookup, is_trained_elsewhere
from bench.tracking.results import load
from reports.build import build, summary_tables, write

HOST = socket.gethostname()
EVERY = 10  # so many examples that are loaded one is built, too: half a second each
ODD = st.sampled_from(
    ["", " ", "nan", "NaN", "inf", "-1", "0", "1", "٣", "²", "1e9", "9" * 400, "None", "null", "[]", "{}", "true", "a\nb", "\x00", "\x1b[31m", "\u202e", "a'b",
     "é", "../../x", "/etc/x", "x" * 5000, "quality/fid_classifier", "mlp-2d", "dcgan", "digits", "folder:nowhere", "os:path", ":", "[" * 1000]
) | st.text(max_size=12)  # fmt: skip
STATUSES = st.sampled_from(["finished", "diverged", "pruned", "interrupted", "failed", "running"]) | ODD
OWNERS = st.sampled_from([f"{HOST}:²", f"{HOST}:0", f"{HOST}:-1", f"{HOST}:{'9' * 30}", f"{HOST}:1", ":", "elsewhere:1", f"{HOST}:"]) | ODD
TIMES = st.sampled_from([0, 1, -1, 1_700_000_000_000, 2**62, -(2**62), 253_402_300_800_000])
VALUES = st.floats() | st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, math.nan, math.inf])
ROOTS = st.sampled_from(
    ["", "/nowhere", "file:///nowhere", "file://host/x", "file://[", "http://[", "C:\\x", "a\0b", "ftp://", "dbfs:/x", "\udcff"]
)
KEYS = st.sampled_from(
    ["quality/fid_classifier", "quality/fid_classifier_se", "best/quality/fid_classifier", "train/loss_d", "x", "best/", "_se", "/"]
)


@pytest.fixture(scope="module")
def recorded(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Run]]:
    """A store with finished runs and rows for scale, and all that it has."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copy(migrated_store, folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    small.execute(uri, folder / "runs", seeds=1, only="dcgan")
    client = store.connect(uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return uri, list(client.search_runs(ids))


class Told:
    """A client of a store that has these runs, whatever is asked for."""

    def __init__(self, runs: list[Run]) -> None:
        self.runs = runs
        self.written: list[str] = []

    def search_experiments(self, **_: Any) -> PagedList[Experiment]:
        names = ("Default", "small", results.REFERENCES)
        return PagedList([Experiment(str(number), name, "", "active") for number, name in enumerate(names)], None)

    def search_runs(self, experiment_ids: list[str], *_: Any, **__: Any) -> PagedList[Run]:
        reference = experiment_ids == ["2"]
        return PagedList([run for run in self.runs if (run.data.tags.get("kind") == "reference") == reference], None)

    def get_run(self, run_id: str) -> Run:
        return next(run for run in self.runs if run.info.run_id == run_id)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        return next((found for found in self.search_experiments() if found.name == name), None)

    def list_artifacts(self, *_: Any) -> list[Any]:
        return []

    def download_artifacts(self, *_: Any) -> str:
        raise OSError("there is none")

    def __getattr__(self, name: str) -> Any:
        """Whatever writes, which is noted and not done."""
        return lambda *_, **__: self.written.append(name)


@st.composite
def told(draw: st.DrawFn, runs: list[Run], *, artifacts: bool = True) -> list[Run]:
    """The runs as a store may tell of them."""
    changed = []
    for run in runs:
        tags, params = dict(run.data.tags), dict(run.data.params)
        metrics = dict(run.data.metrics)
        for key in draw(st.lists(st.sampled_from(sorted(tags)), max_size=4)):
            if draw(st.booleans()):
                tags.pop(key, None)
            else:
                tags[key] = draw(ODD)
        if draw(st.booleans()):
            tags["status"], tags["owner"] = draw(STATUSES), draw(OWNERS)
        for key in draw(st.lists(st.sampled_from([*sorted(params), "recipe.gone", "x"]), max_size=3)):
            params[key] = draw(ODD)
        metrics |= draw(st.dictionaries(KEYS | st.sampled_from(sorted(metrics) or ["x"]), VALUES, max_size=4))
        root = draw(ROOTS) if artifacts and not draw(st.integers(0, 3)) else run.info.artifact_uri
        start = draw(TIMES) if draw(st.booleans()) else run.info.start_time
        info = RunInfo(
            run_id=run.info.run_id, experiment_id=run.info.experiment_id, user_id="", status=run.info.status, start_time=start, end_time=draw(TIMES),
            lifecycle_stage="active", artifact_uri=root,
        )  # fmt: skip
        data = RunData(
            metrics=[Metric(key, value, 0, 0) for key, value in metrics.items()], params=[Param(key, value) for key, value in params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )  # fmt: skip
        changed.append(Run(info, data))
    return changed


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Run]], Told]:
    """Has whoever connects to a store meet one that tells this."""

    def tell(runs: list[Run]) -> Told:
        client = Told(runs)
        monkeypatch.setattr(store, "connect", lambda uri: client)
        return client

    return tell


@at_every_size
def test_what_an_execution_decides(examples: int, recorded: tuple[str, list[Run]], tmp_path: Path) -> None:
    planned = plan(small.SUITE, seeds=1)  # the store has dcgan alone
    configs = [run.config for run in planned]
    needs = set()

    @fuzz(examples)
    @given(runs=told(recorded[1]))
    @example(runs=[])
    @example(runs=recorded[1])
    def check(runs: list[Run]) -> None:
        there = Lookup(Told(runs), "1")  # type: ignore[arg-type]

        def look() -> None:
            decisions = decide(planned, configs, there, tmp_path)
            assert all(len(line.splitlines()) == 1 for line in changed_versions(decisions))
            for decision in decisions:
                needs.add(decision.need)
                assert decision.need != "skip" or any(run.data.tags.get("status") == decision.why for run in runs)
                assert decision.need != "resume", "there is no checkpoint to go on from"
            extended(decisions, there, tmp_path)

        mistake(look)

    check()
    assert {"skip", "train"} <= needs


@at_every_size
def test_who_owns_a_run(examples: int) -> None:
    @fuzz(examples)
    @given(owner=OWNERS)
    def check(owner: str) -> None:
        found = SimpleNamespace(info=SimpleNamespace(run_id="r"), data=SimpleNamespace(tags={"status": "running", "owner": owner}))
        assert is_trained_elsewhere(found, "http://host", ()) in (True, False)  # type: ignore[arg-type]

    check()


@pytest.mark.slow
@at_every_size
def test_a_report(examples: int, recorded: tuple[str, list[Run]], telling: Callable[[list[Run]], Told], tmp_path: Path) -> None:
    loaded, built = 0, 0

    @fuzz(examples)
    @given(runs=told(recorded[1]))
    def check(runs: list[Run]) -> None:
        client = telling(runs)

        def report() -> None:
            nonlocal loaded, built
            found = load("sqlite:///told.db")
            loaded += 1
            if loaded % EVERY == 1:
                assert write(build(found, title="told", small=True), tmp_path / "page").stat().st_size > 1000
                assert summary_tables(found) is not None
                built += 1

        mistake(report)
        assert client.written == []

    check()
    assert built >= examples // EVERY // 2


ARTIFACTS = (results.CONFIG, results.PROTOCOL, results.EVIDENCE, results.ENVIRONMENT, results.CURVES, results.WEIGHTS)
SCORED = 5  # half a second each
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@st.composite
def artifacts(draw: st.DrawFn, files: dict[str, bytes]) -> dict[str, bytes]:
    """Some artifacts of a run, damaged; or JSON that holds something else."""
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


@pytest.mark.parametrize("examples", [SCORED, pytest.param(100, marks=pytest.mark.faults)])
def test_artifacts_that_are_measured_again_and_reported(examples: int, recorded: tuple[str, list[Run]], tmp_path: Path) -> None:
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
            mistake(lambda: write(build(load(uri, ("small",)), title="told", small=True), tmp_path / "page"))
            found = score(run.info.run_id, uri, Evaluation(samples=100, standard_errors=False))
            assert found.status in ("finished", "failed")
            assert len(found.reason.splitlines()) <= 1
        finally:
            for name, content in files.items():
                (root / name).write_bytes(content)

    check()
