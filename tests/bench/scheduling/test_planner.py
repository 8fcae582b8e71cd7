"""Messages about runs that are recorded with another version of the harness or of their variant."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import small

from bench.core import config
from bench.core.config import VARIANTS
from bench.scheduling.planner import PlannedAction, changed_versions
from bench.scheduling.scheduler import ExecutionPlan, plan_execution
from bench.scheduling.suite import Entry, plan
from bench.tracking.client import Lookup
from bench.tracking.results import load

STAY = "this command retrains them, and the recorded runs stay"
SUITE = ("suite", "smoke", "--only", "dcgan", "--seeds", "1", "--workers", "1", "--set", "budget.images=640", "--set", "recipe.width=8")
Command = Callable[..., tuple[int, str, str]]


def look(uri: str, folder: Path, **choice: object) -> ExecutionPlan:
    planned = plan(small.SUITE, **choice)  # type: ignore[arg-type]
    return plan_execution(small.SUITE, planned, uri=uri, folder=folder / "runs", workers=1, probe=False)


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that changes the versions of the harness and of dcgan."""

    def change(results: int | None = None, variant: int | None = None) -> None:
        if results is not None:
            monkeypatch.setattr(config, "RESULTS_VERSION", results)
            monkeypatch.setattr("bench.scheduling.planner.RESULTS_VERSION", results)
            monkeypatch.setattr("bench.runs.runner.RESULTS_VERSION", results)
        if variant is not None:
            monkeypatch.setitem(VARIANTS._items, "dcgan", replace(VARIANTS.get("dcgan"), version=variant))

    return change


@pytest.mark.slow
def test_a_changed_version_is_one_line_and_both_runs_stay_recorded(
    uri: str, tmp_path: Path, versions: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    versions(results=11, variant=21)
    small.execute(uri, tmp_path / "runs")
    assert [action.why for action in look(uri, tmp_path).actions] == ["finished"] * 4

    versions(results=12)
    execution_plan = look(uri, tmp_path)
    assert {(action.kind, action.why) for action in execution_plan.actions} == {("train", "results version 11 -> 12")}
    small.execute(uri, tmp_path / "runs")
    assert [record.getMessage() for record in caplog.records if STAY in record.getMessage()] == [
        f"results version 11 -> 12 since 4 runs of this suite: {STAY}"
    ]
    assert sorted(load(uri, ("small",)).runs.query("kind == 'run'")["results_version"]) == ["11"] * 4 + ["12"] * 4

    versions(variant=22)
    whys = {action.config.variant: (action.kind, action.why) for action in look(uri, tmp_path).actions}
    assert whys == {"dcgan": ("train", "variant version 21 -> 22"), "label-smoothed": ("skip", "finished")}


@pytest.mark.slow
def test_a_version_that_decreased_is_reported_correctly(uri: str, tmp_path: Path, versions: Callable[..., None]) -> None:
    versions(results=11, variant=21)
    small.execute(uri, tmp_path / "runs", only="dcgan", seeds=1)
    versions(results=9, variant=20)
    (action,) = look(uri, tmp_path, only="dcgan", seeds=1).actions
    assert action.why == "results version 11 -> 9, variant version 21 -> 20"
    small.execute(uri, tmp_path / "runs", only="dcgan", seeds=1)
    versions(results=11, variant=21)
    (action,) = look(uri, tmp_path, only="dcgan", seeds=1).actions
    assert (action.kind, action.why, action.changed) == ("skip", "finished", "")


@pytest.mark.slow
@pytest.mark.parametrize("status", ["interrupted", "running", "failed", "diverged"])
def test_a_changed_version_is_reported_for_unfinished_runs_too(
    uri: str, tmp_path: Path, versions: Callable[..., None], status: str
) -> None:
    versions(results=11)
    small.execute(uri, tmp_path / "runs", only="dcgan", seeds=1)
    (run,) = Lookup.of(uri, "small").find_cell("dcgan", "digits", 0)
    client = Lookup.of(uri, "small")._client_if_any
    assert client is not None
    client.set_tag(run.info.run_id, "status", status)
    client.delete_tag(run.info.run_id, "variant_version")  # as in runs of earlier versions of the code
    versions(results=12)
    (action,) = look(uri, tmp_path, only="dcgan", seeds=1).actions
    assert action.why == f"results version 11 -> 12, variant version unrecorded -> {VARIANTS.get('dcgan').version}"


@pytest.mark.slow
def test_a_changed_source_of_a_users_variant_trains_again_with_a_message(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from dataclasses import replace\nfrom bench.core.config import VARIANTS\nVARIANT = replace(VARIANTS.get('label-smoothed'), name='mine')\n"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "edited_variant", sys)  # so that it is unloaded after this test
    suite = replace(small.SUITE, entries=(Entry(variant="edited_variant:VARIANT"),), seeds=(0,))

    def edit(text: str) -> None:
        (tmp_path / "edited_variant.py").write_text(text)
        del sys.modules["edited_variant"]
        importlib.invalidate_caches()

    def action() -> PlannedAction:
        (found,) = plan_execution(suite, plan(suite), uri=uri, folder=tmp_path / "runs", workers=1, probe=False).actions
        return found

    edit(code)
    small.execute(uri, tmp_path / "runs", suite=suite)
    assert (action().kind, action().why) == ("skip", "finished")
    before = action().config.source()
    edit(f"# nothing but a comment\n{code}")
    assert action().kind == "skip"
    edit(f"{code}FACTOR = -1.0\n")
    assert (action().kind, action().why) == ("train", f"variant source {before} -> {action().config.source()}")
    assert changed_versions([action()])[0].startswith("edited_variant:VARIANT: variant source")


def test_other_settings_and_other_seeds_are_simply_new(uri: str, tmp_path: Path, versions: Callable[..., None]) -> None:
    versions(results=11)
    small.execute(uri, tmp_path / "runs", only="dcgan", seeds=1)
    versions(results=12)
    (action,) = look(uri, tmp_path, only="dcgan", seeds=1, settings={"recipe.lr_g": 5e-4}).actions
    assert (action.kind, action.why) == ("train", "new")
    whys = [action.why for action in look(uri, tmp_path, only="dcgan", seeds=2).actions]
    assert whys == ["results version 11 -> 12", "new"]
    (measured,) = look(uri, tmp_path, only="dcgan", seeds=1, settings={"evaluation.samples": 50}).actions
    assert measured.why == "results version 11 -> 12", "a new evaluation protocol must not retrain the run"


@pytest.mark.slow
def test_the_commands_report_a_changed_version(
    uri: str, ganbench: Command, monkeypatch: pytest.MonkeyPatch, versions: Callable[..., None]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    versions(results=11)
    status, out, err = ganbench(*SUITE)
    assert (status, "version" in out + err) == (0, False)
    versions(results=12)
    status, out, _ = ganbench(*SUITE, "--dry-run")
    assert status == 0
    assert "results version 11 -> 12" in " ".join(out.split())
    status, out, err = ganbench(*SUITE)
    assert status == 0
    assert "1 run done now (1 finished), 0 recorded before; 1 run also recorded with another version" in " ".join(out.split())
