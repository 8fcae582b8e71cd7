"""The estimate before a suite. Every action has an estimate, and a probe writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small

from bench.core.config import RunConfig
from bench.core.spec import Networks, Variant
from bench.runs.preparation import Built, Work, prepare
from bench.scheduling import estimate
from bench.scheduling.estimate import SpeedProbe
from bench.scheduling.scheduler import Display, ExecutionPlan, plan_execution, run_suite
from bench.scheduling.suite import SUITES, Entry, plan
from bench.training import build
from bench.training.loop import never


@pytest.fixture(autouse=True)
def short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "PROBE_SECONDS", 0.02)


def execution_plan(uri: str, folder: Path, **choice: object) -> ExecutionPlan:
    return plan_execution(small.SUITE, plan(small.SUITE, **choice), uri=uri, folder=folder, workers=1)  # type: ignore[arg-type]


def test_every_run_to_do_has_an_estimate_that_grows_with_its_budget(uri: str, tmp_path: Path) -> None:
    found = execution_plan(uri, tmp_path / "runs")
    assert set(found.estimate.seconds) == {action.fingerprint for action in found.actions}
    assert set(found.estimate.speeds) == {"label-smoothed", "dcgan"}
    assert all(speed.images_per_second > 0 and speed.samples_per_second > 0 for speed in found.estimate.speeds.values())
    assert found.estimate.wall_seconds(2) == pytest.approx(sum(found.estimate.seconds.values()) / 2)
    longer = execution_plan(uri, tmp_path / "runs", settings={"budget.images": 10**9})
    assert sum(longer.estimate.seconds.values()) > 1000 * sum(found.estimate.seconds.values())
    clocked = execution_plan(uri, tmp_path / "runs", settings={"budget.train_seconds": 3600.0})
    assert all(seconds > 3600 for seconds in clocked.estimate.seconds.values())
    assert not (tmp_path / "runs").exists()


def test_networks_that_grow_are_probed_whole(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe uses the full networks, because the smallest ones are several times as fast."""
    probed: list[Work] = []

    def recording(config: RunConfig, built: Built | None = None) -> Work:
        probed.append(prepare(config, built))
        return probed[-1]

    monkeypatch.setattr(estimate, "prepare", recording)
    suite = replace(small.SUITE, entries=(Entry(variant="progan"),))
    found = plan_execution(suite, plan(suite, seeds=1), uri=uri, folder=tmp_path / "runs", workers=1)
    assert set(found.estimate.speeds) == {"progan"}
    assert probed[0].trainer.networks.get_submodule("generator.position").now() == (1, 1.0)  # type: ignore[operator]


@pytest.mark.slow
def test_a_finished_run_costs_nothing_and_an_extension_only_its_new_images(uri: str, tmp_path: Path, executed: Callable[..., None]) -> None:
    executed()
    assert execution_plan(uri, tmp_path / "runs", seeds=1, only="dcgan").estimate.seconds == {}
    settings = {"budget.images": 10**7}
    planned = plan(small.SUITE, seeds=1, only="dcgan", settings=settings)
    extended = plan_execution(small.SUITE, planned, uri=uri, folder=tmp_path / "runs", workers=1, extend=True)
    (action,) = extended.actions
    speed = extended.estimate.speeds["dcgan"]
    assert extended.estimate.seconds[action.fingerprint] >= (10**7 - 640) / speed.images_per_second


def test_a_variant_whose_probe_fails_has_no_estimate(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken\nin two lines")

    monkeypatch.setattr("variants.gan.AdversarialObjective.generator_loss", broken)
    found = execution_plan(uri, tmp_path / "runs", seeds=1)
    assert (len(found.todo), found.estimate.seconds) == (2, {})
    assert "cannot measure the speed of dcgan, so its runs have no estimate: broken in two lines" in caplog.text


def test_random_streams_change_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    probed: list[str] = []
    monkeypatch.setattr(estimate, "check", lambda config: None)
    monkeypatch.setattr(estimate, "_probe", lambda config, built: probed.append(config.variant))
    probe = SpeedProbe()
    for run in plan(SUITES.get("seed-variance"), seeds=2, dataset="digits"):
        probe.check(run.config)
    assert sorted(probed) == ["dcgan", "lsgan", "ns-gan", "wgan-gp"]


def test_networks_are_built_once_to_plan_and_once_to_run(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    real = build._built

    def recording(variant: Variant, *given: Any) -> Networks:
        built.append(variant.name)
        return real(variant, *given)

    monkeypatch.setattr(build, "_built", recording)
    planned = plan(small.SUITE, seeds=2)
    planned_execution = plan_execution(small.SUITE, planned, uri=uri, folder=tmp_path / "runs", workers=1)
    assert sorted(built) == ["dcgan", "label-smoothed"]  # built once for the check and the probe of both seeds
    built.clear()
    run_suite(small.SUITE, planned_execution, uri=uri, folder=tmp_path / "runs", stop=never, display=Display())
    assert sorted(built) == ["dcgan"] * 3 + ["label-smoothed"] * 2  # one more for the reference row `untrained`
    built.clear()
    plan_execution(small.SUITE, planned, uri=uri, folder=tmp_path / "runs", workers=1)
    assert not built  # all runs are finished
