"""Resolution of `auto` by one benchmark, with the same choice for all runs of an experiment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import small
import torch

from bench.core import environment
from bench.core.config import config_for
from bench.core.errors import UserError
from bench.runs import auto_choice as auto
from bench.runs.auto_choice import TAG, Auto, Choice, choice_here, measure_choice, record_choices, resolve
from bench.scheduling.cluster import HERE
from bench.scheduling.estimate import Estimate
from bench.scheduling.scheduler import ExecutionPlan, plan_execution
from bench.scheduling.suite import Suite, plan
from bench.tracking.client import Lookup, Tracker

SLOW = Choice(precision="fp32", memory_format="channels_last", processor="slow")
FAST = Choice(precision="bf16", memory_format="contiguous", processor="fast")
choice_of_cpu = auto.choice_of_cpu  # the real function, which a fixture replaces in other tests


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the cache folder of this test, and restore the function that measures this machine."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(auto, "choice_of_cpu", choice_of_cpu)
    return tmp_path / "cache"


def means(monkeypatch: pytest.MonkeyPatch, choice: Choice) -> None:
    """Set the choice that the benchmark returns."""
    monkeypatch.setattr(auto, "choice_of_cpu", lambda *, save: choice)


# Resolved configurations.


def test_resolve_leaves_no_auto(no_gpu, monkeypatch):
    monkeypatch.setattr(auto, "resolve_auto", lambda: "digits")
    means(monkeypatch, FAST)
    config = resolve(config_for("dcgan"))
    assert (config.dataset, config.device, config.precision, config.memory_format) == ("digits", "cpu", "bf16", "contiguous")
    assert len(config.fingerprint(data_digest="any")) == 16, "the fingerprint must have 16 characters"
    assert resolve(config) == config


def test_given_values_are_never_measured_or_changed(no_gpu, monkeypatch):
    monkeypatch.setattr(auto, "choice_of_cpu", lambda *, save: pytest.fail("the processor was measured"))
    config = config_for("dcgan", {"dataset": "digits", "precision": "fp32", "memory_format": "contiguous", "device": "cpu", "threads": 2})
    assert resolve(config) == config


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"precision": "fp32"}, ("fp32", "contiguous")), ({"memory_format": "channels_last"}, ("bf16", "channels_last"))],
)
def test_each_missing_value_is_chosen_independently(no_gpu, monkeypatch, given: dict[str, str], expected: tuple[str, str]):
    means(monkeypatch, FAST)
    config = resolve(config_for("dcgan", {"dataset": "digits", **given}))
    assert (config.precision, config.memory_format) == expected


@pytest.mark.parametrize(("device", "expected"), [("mps", ("fp32", "contiguous")), ("cuda", ("fp32", "contiguous"))])
def test_other_devices_are_not_measured(monkeypatch, device: str, expected: tuple[str, str]):
    monkeypatch.setattr(environment, "devices", lambda: ["cuda:0", "mps", "cpu"])
    monkeypatch.setattr(environment, "device_name", lambda device: "a device")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    means(monkeypatch, FAST)
    config = resolve(config_for("dcgan", {"dataset": "digits", "device": device}))
    assert (config.precision, config.memory_format) == expected
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert choice_here("cuda").precision == "bf16"


def test_points_train_in_full_precision_by_default(no_gpu, monkeypatch):
    means(monkeypatch, FAST)
    config = resolve(config_for("gan-2d", {"dataset": "ring8", "device": "cpu"}))
    assert (config.precision, config.memory_format) == ("fp32", "contiguous")
    assert resolve(config_for("gan-2d", {"dataset": "ring8", "device": "cpu", "precision": "bf16"})).precision == "bf16"


@pytest.mark.parametrize("name", ["tf32", "compile"])
def test_cuda_settings_are_refused_on_other_devices(no_gpu, name):
    with pytest.raises(UserError, match=f"{name}=true needs a CUDA device, not cpu"):
        resolve(config_for("dcgan", {"dataset": "digits", name: True}))


@pytest.mark.parametrize(
    ("path", "value", "message"), [("device", "cuda", "no device 'cuda'"), ("dataset", "digit", "did you mean 'digits'")]
)
def test_an_unknown_device_or_dataset_is_refused(no_gpu, path: str, value: str, message: str):
    with pytest.raises(UserError, match=message):
        resolve(config_for("dcgan", {"dataset": "digits", path: value}))


# Choices by the benchmark.


def found(monkeypatch: pytest.MonkeyPatch, *, products: float, convolutions: float, formats: float, native: bool = True) -> Choice:
    """Return the choice if bf16 and contiguous take these fractions of the time of float32 and channels last."""

    def timed(share: float) -> Callable[[tuple[str, ...]], dict[str, float]]:
        return lambda precisions: {precision: 1.0 if precision == "fp32" else share for precision in precisions}

    monkeypatch.setattr(environment, "_cpu_has_bf16", lambda: native)
    monkeypatch.setattr(auto, "measure_products", timed(products))
    monkeypatch.setattr(auto, "measure_convolutions", timed(convolutions))
    monkeypatch.setattr(auto, "measure_formats", lambda precision: {"contiguous": formats, "channels_last": 1.0})
    return measure_choice()


@pytest.mark.parametrize(
    ("products", "convolutions", "native", "expected"),
    [
        (0.5, 0.5, True, "bf16"),
        (1 / 1.25, 1 / 1.25, True, "bf16"),
        (1 / 1.15, 0.5, True, "fp32"),
        (0.5, 1 / 1.15, True, "fp32"),
        (1.9, 1.9, True, "fp32"),
        (0.5, 0.5, False, "fp32"),
    ],
)
def test_bf16_is_chosen_only_if_products_and_convolutions_are_faster(monkeypatch, products, convolutions, native, expected):
    choice = found(monkeypatch, products=products, convolutions=convolutions, formats=1.0, native=native)
    assert choice.precision == expected
    assert choice.speedup("products") == (pytest.approx(1 / products) if native else None)


@pytest.mark.parametrize(("formats", "expected"), [(0.5, "contiguous"), (1 / 1.15, "channels_last"), (2.0, "channels_last")])
def test_channels_stay_last_unless_contiguous_is_clearly_faster(monkeypatch, formats, expected):
    assert found(monkeypatch, products=1.0, convolutions=1.0, formats=formats).memory_format == expected


def test_this_processor_is_measured():
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    choice = measure_choice()
    parts = {"fp32", "bf16"} if environment.native_bf16(torch.device("cpu")) else {"fp32"}
    assert choice.processor == environment.cpu_name()
    assert {what: set(seconds) for what, seconds in choice.seconds.items()} == {
        "products": parts, "convolutions": parts, "formats": {"contiguous", "channels_last"},
    }  # fmt: skip
    assert all(0 < each < 60 for seconds in choice.seconds.values() for each in seconds.values())
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


# Cached choices.


def test_a_processor_is_measured_once(cached: Path, monkeypatch):
    monkeypatch.setattr(auto, "measure_choice", lambda: FAST)
    assert choice_here("cpu") == FAST
    monkeypatch.setattr(auto, "measure_choice", lambda: pytest.fail("the processor was measured again"))
    assert choice_here("cpu") == FAST
    assert choice_here("cpu", save=False) == FAST


@pytest.mark.parametrize("change", ["cpu_name", "instruction_sets"])
def test_another_processor_is_measured_separately(cached: Path, monkeypatch, change: str):
    monkeypatch.setattr(auto, "measure_choice", lambda: FAST)
    choice_here("cpu")
    monkeypatch.setattr(environment, change, lambda: "another" if change == "cpu_name" else ("another",))
    monkeypatch.setattr(auto, "measure_choice", lambda: SLOW)
    assert choice_here("cpu") == SLOW


def test_reading_the_choice_writes_nothing(cached: Path, monkeypatch):
    monkeypatch.setattr(auto, "measure_choice", lambda: FAST)
    assert choice_here("cpu", save=False) == FAST
    assert not cached.exists()


def test_a_damaged_cache_is_logged_and_replaced(cached: Path, monkeypatch, caplog):
    monkeypatch.setattr(auto, "measure_choice", lambda: FAST)
    choice_here("cpu")
    (path,) = (cached / "auto").glob("*.json")
    path.write_text('{"precision": "fp16"}')
    assert choice_here("cpu") == FAST
    assert "cannot be read" in caplog.text
    assert Choice.model_validate_json(path.read_text()) == FAST


def test_a_cache_that_cannot_be_written_is_only_slower(cached: Path, monkeypatch, caplog):
    monkeypatch.setattr(auto, "measure_choice", lambda: FAST)
    cached.write_text("a file where the folder should be")
    assert choice_here("cpu") == FAST
    assert "measures the processor again" in caplog.text


# Recorded choices.

OPEN = Suite(
    name="small", idea="nothing given", entries=small.SUITE.entries, datasets=("digits",), seeds=(0,),
    settings={path: value for path, value in small.SUITE.settings.items() if path not in ("precision", "memory_format")},
)  # fmt: skip


def execution_plan(uri: str, folder: Path, **given: str) -> ExecutionPlan:
    return plan_execution(OPEN, plan(OPEN, only="label-smoothed", settings=given), uri=uri, folder=folder, workers=1, probe=False)


def chosen(found: ExecutionPlan) -> tuple[str, str]:
    (action,) = found.actions
    return action.config.precision, action.config.memory_format


def test_an_experiment_chooses_once(uri: str, tmp_path: Path, monkeypatch, caplog):
    outcome = small.execute(uri, tmp_path, suite=OPEN, only="label-smoothed")
    assert outcome.count("finished") == 1
    means(monkeypatch, FAST)  # the cache was lost, and the machine is measured differently
    again = execution_plan(uri, tmp_path)
    assert chosen(again) == ("fp32", "channels_last")
    assert [action.kind for action in again.actions] == ["skip"]
    assert "chosen on" not in caplog.text
    assert chosen(execution_plan(uri, tmp_path, precision="bf16")) == ("bf16", "channels_last"), "a given value must have priority"


def test_planning_records_nothing(uri: str, tmp_path: Path, monkeypatch):
    Tracker(uri, "small")
    assert chosen(execution_plan(uri, tmp_path)) == ("fp32", "channels_last")
    assert not [tag for tag in Lookup.of(uri, "small").tags if tag.startswith(TAG)]
    means(monkeypatch, FAST)
    assert chosen(execution_plan(uri, tmp_path)) == ("bf16", "contiguous")


def test_a_choice_of_another_processor_is_used_with_a_warning(uri: str, tmp_path: Path, caplog):
    record_choices(Tracker(uri, "small"), {"cpu": FAST})
    assert chosen(execution_plan(uri, tmp_path)) == ("bf16", "contiguous")
    assert "chosen on fast" in caplog.text


def test_two_processes_that_start_at_once_must_agree(uri: str):
    tracker = Tracker(uri, "small")
    record_choices(tracker, {"cpu": FAST})
    record_choices(tracker, {"cpu": FAST.model_copy(update={"processor": "another", "seconds": {}})})
    with pytest.raises(UserError, match=r"recorded that `auto` means bf16 and contiguous .* not fp32 and channels_last"):
        record_choices(tracker, {"cpu": SLOW})
    assert Auto(uri, "small")("cpu") == FAST


def test_a_damaged_record_is_logged_and_replaced(uri: str, caplog):
    tracker = Tracker(uri, "small")
    tracker.tag_experiment(f"{TAG}cpu", "bf16")
    auto_choice = Auto(uri, "small")
    assert auto_choice("cpu").precision == "fp32"
    assert "is damaged" in caplog.text
    record_choices(tracker, auto_choice.used)
    assert Choice.model_validate_json(Lookup.of(uri, "small").tags[f"{TAG}cpu"]) == auto_choice.used["cpu"]


def earlier(
    uri: str, *, precision: str, memory_format: str = "channels_last", dataset: str = "digits", device: str = "cpu", given: tuple[str, ...] = ()
) -> None:  # fmt: skip
    """Record a run as in versions without recorded choices. `given` are the settings of its command."""
    tags = {"kind": "run", "device": device, "dataset": dataset, "overrides": json.dumps(dict.fromkeys(given, "a value"))}
    Tracker(uri, "small").start_run("run", tags, {"precision": precision, "memory_format": memory_format}).finish("finished")


def test_an_experiment_without_a_record_uses_the_choice_of_its_runs(uri: str, tmp_path: Path, monkeypatch):
    means(monkeypatch, FAST.model_copy(update={"processor": ""}))
    outcome = small.execute(uri, tmp_path, suite=OPEN, only="label-smoothed")
    client = Tracker(uri, "small").client
    client.delete_experiment_tag(client.get_experiment_by_name("small").experiment_id, f"{TAG}cpu")
    means(monkeypatch, SLOW)
    again = execution_plan(uri, tmp_path)
    assert chosen(again) == ("bf16", "contiguous")
    assert outcome.count("finished") == 1
    assert [action.kind for action in again.actions] == ["skip"]


def test_runs_with_given_values_other_data_or_other_devices_are_ignored(uri: str, monkeypatch):
    means(monkeypatch, FAST)
    earlier(uri, precision="fp32", given=("precision", "memory_format"))
    earlier(uri, precision="fp32", memory_format="contiguous", dataset="ring8")
    earlier(uri, precision="fp32", dataset="folder:/gone")
    earlier(uri, precision="fp32", device="cuda:1")
    earlier(uri, precision="fp64")
    assert Auto(uri, "small")("cpu") == FAST


def test_the_most_frequent_value_of_each_setting_is_chosen(uri: str, monkeypatch):
    means(monkeypatch, FAST)
    earlier(uri, precision="fp32", given=("memory_format",))
    found = Auto(uri, "small")("cpu")
    assert (found.precision, found.memory_format) == ("fp32", "contiguous"), "the memory format must come from the benchmark"
    for precision in ("bf16", "bf16"):
        earlier(uri, precision=precision)
    found = Auto(uri, "small")("cpu")
    assert (found.precision, found.memory_format) == ("bf16", "channels_last")


def test_without_a_store_nothing_is_created(tmp_path: Path, monkeypatch):
    means(monkeypatch, FAST)
    assert Auto(f"sqlite:///{tmp_path / 'mlflow.db'}", "small")("cpu") == FAST
    assert not list(tmp_path.iterdir())


def test_a_plan_without_auto_reads_no_store(tmp_path: Path):
    unused = Auto("http://127.0.0.1:9", "small")
    config = small.config()
    assert resolve(config, unused) == config
    assert not unused.used
    assert ExecutionPlan(actions=(), estimate=Estimate(), workers=1, cluster=HERE).auto == {}
