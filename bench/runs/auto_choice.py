"""Resolution of `auto` for the device, dataset, precision and memory format of a run.

Precision and memory format change the results of a run and are part of its fingerprint. So an experiment uses one choice for all its runs, and
records it. This is the recorded choice, else the choice of earlier runs, else the result of a cached benchmark of this machine.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from bench.core import environment
from bench.core.config import DATASETS, RunConfig, short_hash
from bench.core.errors import UserError, one_line
from bench.data.cache import cache_root, locked, write_atomic
from bench.data.catalog import resolve_auto
from bench.metrics.cache import plain
from bench.runs.processor_speed import measure_convolutions, measure_formats, measure_products
from bench.tracking.client import Lookup, Tracker
from bench.training.precision import Precision

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)

MARGIN = 1.2  # speedup that bf16 needs over float32, and contiguous over channels last
VERSION = 1  # of the benchmark. A new version makes cached choices invalid
TAG = "ganbench.auto."  # prefix of the experiment's tag for a choice, before the kind of device
MemoryFormat = Literal["contiguous", "channels_last"]


class Choice(BaseModel):
    """Choice for `auto` on one kind of device, for image datasets, and the times of its benchmark."""

    model_config = ConfigDict(frozen=True)

    precision: Precision
    memory_format: MemoryFormat
    processor: str = ""  # model of the processor. Empty if earlier runs determined the choice
    seconds: dict[str, dict[str, float]] = {}  # of products, convolutions and formats; empty without a benchmark

    def speedup(self, what: str) -> float | None:
        """Return the speedup of bf16 over float32 in products or convolutions, or None without a measurement."""
        found = self.seconds.get(what, {})
        return found["fp32"] / found["bf16"] if found.keys() >= {"fp32", "bf16"} and found["bf16"] > 0 else None

    def agrees(self, other: Choice) -> bool:
        """Return whether both choices have the same precision and memory format."""
        return (self.precision, self.memory_format) == (other.precision, other.memory_format)

    def __str__(self) -> str:
        return f"{self.precision} and {self.memory_format}"


def resolve(config: RunConfig, choice_of: Callable[[str], Choice] | None = None) -> RunConfig:
    """Return the configuration with each `auto` replaced. `choice_of` is the choice of an experiment (`Auto`), by default that of this machine.

    Raises UserError for a device or dataset that is not available.
    """
    device = environment.chosen_device(config.device)
    if config.threads > environment.cores():
        log.warning(
            "threads=%d is more than the %d cores of this machine, so the run is slower, not faster; use fewer threads",
            config.threads,
            environment.cores(),
        )
    dataset = resolve_auto() if config.dataset == "auto" else DATASETS.canonical(config.dataset)
    precision, memory_format = config.precision, config.memory_format
    if "auto" in (precision, memory_format):
        chosen = (choice_of or choice_here)(_kind(device)) if _holds_images(dataset) else POINTS
        precision = chosen.precision if precision == "auto" else precision
        memory_format = chosen.memory_format if memory_format == "auto" else memory_format
    if not device.startswith("cuda") and (setting := next((name for name in ("tf32", "compile") if getattr(config, name)), None)):
        raise UserError(f"{setting}=true needs a CUDA device, not {device}: remove the setting")
    resolved = {"device": device, "dataset": dataset, "precision": precision, "memory_format": memory_format}
    return config.model_copy(update=resolved)


POINTS = Choice(precision="fp32", memory_format="contiguous")  # the modes of point datasets are hardly wider than a step of bf16


class Auto:
    """Choices for `auto` in one experiment, by kind of device (cpu, cuda, mps). It reads the store on first use, and writes nothing to it."""

    def __init__(self, uri: str, experiment: str) -> None:
        self._uri, self._experiment = uri, experiment
        self.used: dict[str, Choice] = {}

    def __call__(self, kind: str) -> Choice:
        """Return the choice for a kind of device. All calls return the same choice."""
        if kind not in self.used:
            lookup = Lookup.of(self._uri, self._experiment)
            self.used[kind] = self._recorded(lookup, kind) or _choice_of_runs(lookup.runs(), kind) or choice_here(kind)
        return self.used[kind]

    def _recorded(self, lookup: Lookup, kind: str) -> Choice | None:
        choice = _recorded(lookup, kind)
        here = environment.device_name(environment.device_of(kind))
        if choice is not None and choice.processor not in ("", here):
            log.warning(
                "`auto` means %s in the experiment %r, chosen on %s; this machine (%s) uses the same choice",
                choice, self._experiment, one_line(choice.processor, most=80), here,
            )  # fmt: skip
        return choice


def record_choices(tracker: Tracker, chosen: Mapping[str, Choice]) -> None:
    """Record choices in the experiment, for later calls. Raises UserError if another process has just recorded another choice."""
    for kind, choice in chosen.items():
        recorded = _recorded(tracker, kind)
        if recorded is None:
            tracker.tag_experiment(TAG + kind, choice.model_dump_json())
        elif not recorded.agrees(choice):
            raise UserError(
                f"another process has just recorded that `auto` means {recorded} in this experiment, not {choice}: run the command again"
            )


def _recorded(lookup: Lookup, kind: str) -> Choice | None:
    """Return the recorded choice of an experiment, or None. A damaged choice is None too, with a warning."""
    text = lookup.tags.get(TAG + kind)
    if text is None:
        return None
    try:
        return Choice.model_validate_json(text)
    except ValidationError:
        log.warning("the experiment's tag %s is damaged (%s): `auto` is resolved again", TAG + kind, one_line(text, most=60))
        return None


def _choice_of_runs(runs: Sequence[Run], kind: str) -> Choice | None:
    """Return the choice of earlier runs with `auto`, or None. It is the most frequent value. Of equally frequent values, it is the newest."""
    precisions: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    for run in runs:
        tags, parameters = run.data.tags, run.data.params
        if _kind(tags.get("device", "")) != kind or not _holds_images(tags.get("dataset", "")):
            continue
        given = _explicit_paths(tags.get("overrides", ""))
        for name, counts in (("precision", precisions), ("memory_format", formats)):
            if name not in given and name in parameters:
                counts[parameters[name]] += 1
    used = {name: counts.most_common(1)[0][0] for name, counts in (("precision", precisions), ("memory_format", formats)) if counts}
    try:
        return Choice.model_validate(used if len(used) == 2 else {**choice_here(kind).model_dump(), **used}) if used else None
    except ValidationError:  # another program has recorded these parameters
        return None


def _explicit_paths(overrides: str) -> frozenset[str]:
    """Return the configuration paths that a run sets explicitly, from its tag `overrides`."""
    try:
        found = json.loads(overrides)
    except ValueError:
        return frozenset()
    return frozenset(found) if isinstance(found, dict) else frozenset()


def _holds_images(dataset: str) -> bool:
    """Return whether a dataset is registered and has images."""
    try:
        return DATASETS.get(dataset).spec.kind == "image"
    except UserError:
        return False


def _kind(device: str) -> str:
    return device.partition(":")[0]


def choice_here(kind: str, *, save: bool = True) -> Choice:
    """Return the choice of this machine. For a CPU, a benchmark determines it once, and its result is cached. `save=False` writes nothing."""
    if kind == "cpu":
        return choice_of_cpu(save=save)
    device = environment.device_of(kind)
    precision: Precision = "bf16" if environment.native_bf16(device) else "fp32"
    return Choice(precision=precision, memory_format="contiguous", processor=environment.device_name(device))


def choice_of_cpu(*, save: bool) -> Choice:
    """Return the cached choice for this processor, or measure it."""
    path = _path()
    choice = _read(path)
    if choice is not None or not save:
        return choice or measure_choice()
    try:
        with locked(path.parent):  # one of several processes measures, and all use the same choice
            choice = _read(path)
            if choice is None:
                choice = measure_choice()
                write_atomic(path, choice.model_dump_json(indent=2).encode())
    except UserError as error:
        log.warning("%s: each command measures the processor again", error)
    return choice or measure_choice()


def measure_choice() -> Choice:
    """Return the choice from a short benchmark of this processor on one thread.

    The precision is bf16 if both matrix products and convolutions are at least `MARGIN` times as fast as in float32. The format is contiguous if
    convolutions are at least `MARGIN` times as fast as in channels last. A processor without bf16 instructions only emulates bf16, which is slower. So
    bf16 is not measured on it.
    """
    precisions: tuple[Precision, ...] = ("fp32", "bf16") if environment.native_bf16(torch.device("cpu")) else ("fp32",)
    seconds = {"products": measure_products(precisions), "convolutions": measure_convolutions(precisions)}
    faster = all(_is_faster(found, "bf16", "fp32") for found in seconds.values())
    precision: Precision = "bf16" if faster else "fp32"
    seconds["formats"] = measure_formats(precision)
    memory_format: MemoryFormat = "contiguous" if _is_faster(seconds["formats"], "contiguous", "channels_last") else "channels_last"
    return Choice(precision=precision, memory_format=memory_format, processor=environment.cpu_name(), seconds=seconds)


def _is_faster(seconds: Mapping[str, float], one: str, other: str) -> bool:
    """Return whether `one` is at least `MARGIN` times as fast as `other`."""
    return one in seconds and seconds[one] * MARGIN <= seconds[other]


def _path() -> Path:
    """Return the file of the cached choice. Its hash includes the instruction sets, because virtual machines give different processors one name."""
    identity = {
        "processor": environment.cpu_name(),
        "instructions": environment.instruction_sets(),
        "torch": torch.__version__,
        "version": VERSION,
    }
    return cache_root() / "auto" / f"{plain(environment.cpu_name())}-{short_hash(identity)}.json"


def _read(path: Path) -> Choice | None:
    """Return the cached choice, or None. A damaged file is None too, with a warning, and the caller replaces it."""
    try:
        return Choice.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("%s cannot be read (%s): measuring the processor again", path, one_line(error, most=80))
        return None
