"""What `auto` means for a run's device, data, precision and memory format: decided once for an experiment, and recorded there.

Precision and memory format change the bits of a run and are part of its fingerprint. So the same experiment must decide them the same way each
time: what it has recorded comes first, then what its earlier runs used, then a measurement of this machine, which the cache folder keeps.
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

MARGIN = 1.2  # times as fast: what departs from float32 and channels last must be faster by this factor
VERSION = 1  # of the measurement; bumped when it changes, so that cached ones are measured again
TAG = "ganbench.auto."  # followed by the kind of device: the experiment's tag that records a choice
MemoryFormat = Literal["contiguous", "channels_last"]


class Choice(BaseModel):
    """What `auto` means on one kind of device, for images, and what it was chosen by."""

    model_config = ConfigDict(frozen=True)

    precision: Precision
    memory_format: MemoryFormat
    processor: str = ""  # the model that it was chosen on; empty where earlier runs decided
    seconds: dict[str, dict[str, float]] = {}  # of products, convolutions and formats, as measured; empty where nothing was

    def speedup(self, what: str) -> float | None:
        """How many times as fast bf16 is as float32 in products or convolutions; None where that was not measured."""
        found = self.seconds.get(what, {})
        return found["fp32"] / found["bf16"] if found.keys() >= {"fp32", "bf16"} and found["bf16"] > 0 else None

    def agrees(self, other: Choice) -> bool:
        """Whether both mean the same, whatever they were chosen by."""
        return (self.precision, self.memory_format) == (other.precision, other.memory_format)

    def __str__(self) -> str:
        return f"{self.precision} and {self.memory_format}"


def resolve(config: RunConfig, choice_of: Callable[[str], Choice] | None = None) -> RunConfig:
    """The configuration with every `auto` decided: by `choice_of` an experiment (`Auto`), else by this machine alone.

    Raises UserError for a device or dataset that is not available.
    """
    device = environment.chosen_device(config.device)
    if config.threads > environment.cores():
        log.warning("threads=%d is more than the %d cores here: such a run is slower, not faster", config.threads, environment.cores())
    dataset = resolve_auto() if config.dataset == "auto" else DATASETS.canonical(config.dataset)
    precision, memory_format = config.precision, config.memory_format
    if "auto" in (precision, memory_format):
        chosen = (choice_of or choice_here)(_kind(device)) if _holds_images(dataset) else POINTS
        precision = chosen.precision if precision == "auto" else precision
        memory_format = chosen.memory_format if memory_format == "auto" else memory_format
    if not device.startswith("cuda") and (own := next((name for name in ("tf32", "compile") if getattr(config, name)), None)):
        raise UserError(f"{own}=true is for CUDA devices, and this run's is {device}")
    resolved = {"device": device, "dataset": dataset, "precision": precision, "memory_format": memory_format}
    return config.model_copy(update=resolved)


POINTS = Choice(precision="fp32", memory_format="contiguous")  # points are drawn from modes hardly wider than the steps of bf16


class Auto:
    """What `auto` means in one experiment of a store, by kind of device (cpu, cuda, mps). Asks the store when first needed; writes nothing to it."""

    def __init__(self, uri: str, experiment: str) -> None:
        self._uri, self._experiment = uri, experiment
        self.used: dict[str, Choice] = {}

    def __call__(self, kind: str) -> Choice:
        """The choice for a kind of device, the same each time."""
        if kind not in self.used:
            lookup = Lookup.of(self._uri, self._experiment)
            self.used[kind] = self._recorded(lookup, kind) or _of_runs(lookup.runs(), kind) or choice_here(kind)
        return self.used[kind]

    def _recorded(self, lookup: Lookup, kind: str) -> Choice | None:
        choice = _recorded(lookup, kind)
        here = environment.device_name(environment.device_of(kind))
        if choice is not None and choice.processor not in ("", here):
            log.warning(
                "`auto` means %s in the experiment %r, as chosen on %s: that holds on %s, too",
                choice, self._experiment, one_line(choice.processor, most=80), here,
            )  # fmt: skip
        return choice


def record_choices(tracker: Tracker, chosen: Mapping[str, Choice]) -> None:
    """Record in the experiment what `auto` means, so that later calls decide alike. What another process recorded meanwhile must agree."""
    for kind, choice in chosen.items():
        there = _recorded(tracker, kind)
        if there is None:
            tracker.tag_experiment(TAG + kind, choice.model_dump_json())
        elif not there.agrees(choice):
            raise UserError(f"another process has just recorded that `auto` means {there} in this experiment, not {choice}: call again")


def _recorded(lookup: Lookup, kind: str) -> Choice | None:
    """What an experiment has recorded; None where it has nothing, or nothing that can be read, which is logged."""
    text = lookup.tags.get(TAG + kind)
    if text is None:
        return None
    try:
        return Choice.model_validate_json(text)
    except ValidationError:
        log.warning("the experiment's tag %s is damaged (%s): deciding again what `auto` means", TAG + kind, one_line(text, most=60))
        return None


def _of_runs(runs: Sequence[Run], kind: str) -> Choice | None:
    """What the runs of an experiment that has recorded no choice used, where they left it to `auto`: the most frequent, then the newest."""
    precisions: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    for run in runs:
        tags, parameters = run.data.tags, run.data.params
        if _kind(tags.get("device", "")) != kind or not _holds_images(tags.get("dataset", "")):
            continue
        given = _given(tags.get("overrides", ""))
        for name, counts in (("precision", precisions), ("memory_format", formats)):
            if name not in given and name in parameters:
                counts[parameters[name]] += 1
    used = {name: counts.most_common(1)[0][0] for name, counts in (("precision", precisions), ("memory_format", formats)) if counts}
    try:
        return Choice.model_validate(used if len(used) == 2 else {**choice_here(kind).model_dump(), **used}) if used else None
    except ValidationError:  # parameters that this project did not write
        return None


def _given(overrides: str) -> frozenset[str]:
    """The paths that a run was given values for, by its tag."""
    try:
        found = json.loads(overrides)
    except ValueError:
        return frozenset()
    return frozenset(found) if isinstance(found, dict) else frozenset()


def _holds_images(dataset: str) -> bool:
    """Whether a data set is known here and holds images."""
    try:
        return DATASETS.get(dataset).spec.kind == "image"
    except UserError:
        return False


def _kind(device: str) -> str:
    return device.partition(":")[0]


def choice_here(kind: str, *, keep: bool = True) -> Choice:
    """What `auto` means on this machine alone. On a CPU that is measured once and cached; `keep=False` writes nothing."""
    if kind == "cpu":
        return choice_of_cpu(keep=keep)
    device = environment.device_of(kind)
    precision: Precision = "bf16" if environment.native_bf16(device) else "fp32"
    return Choice(precision=precision, memory_format="contiguous", processor=environment.device_name(device))


def choice_of_cpu(*, keep: bool) -> Choice:
    """The cached choice for this processor, else one that is measured now. A cache that cannot be written costs a second each time."""
    path = _path()
    choice = _read(path)
    if choice is not None or not keep:
        return choice or measured()
    try:
        with locked(path.parent):  # of several processes one measures, and all decide alike
            choice = _read(path)
            if choice is None:
                choice = measured()
                write_atomic(path, choice.model_dump_json(indent=2).encode())
    except UserError as error:
        log.warning("%s: every call measures the processor again", error)
    return choice or measured()


def measured() -> Choice:
    """The choice by a measurement of this processor on one thread: a second of it.

    bf16 where both matrix products and convolutions are at least `MARGIN` times as fast as in float32; contiguous where the convolutions are
    at least `MARGIN` times as fast as in channels last. Without instructions for bf16 nothing is measured in it: its emulation is slower.
    """
    precisions: tuple[Precision, ...] = ("fp32", "bf16") if environment.native_bf16(torch.device("cpu")) else ("fp32",)
    seconds = {"products": measure_products(precisions), "convolutions": measure_convolutions(precisions)}
    faster = all(_is_faster(found, "bf16", "fp32") for found in seconds.values())
    precision: Precision = "bf16" if faster else "fp32"
    seconds["formats"] = measure_formats(precision)
    memory_format: MemoryFormat = "contiguous" if _is_faster(seconds["formats"], "contiguous", "channels_last") else "channels_last"
    return Choice(precision=precision, memory_format=memory_format, processor=environment.cpu_name(), seconds=seconds)


def _is_faster(seconds: Mapping[str, float], one: str, other: str) -> bool:
    """Whether one takes at least `MARGIN` times less than the other."""
    return one in seconds and seconds[one] * MARGIN <= seconds[other]


def _path() -> Path:
    """Virtual machines give other processors the same name, so the instruction sets are part of the file's name, too."""
    identity = {
        "processor": environment.cpu_name(),
        "instructions": environment.instruction_sets(),
        "torch": torch.__version__,
        "version": VERSION,
    }
    return cache_root() / "auto" / f"{plain(environment.cpu_name())}-{short_hash(identity)}.json"


def _read(path: Path) -> Choice | None:
    """The cached choice; None where there is none. A damaged file is logged and replaced."""
    try:
        return Choice.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("%s cannot be read (%s): measuring the processor again", path, one_line(error, most=80))
        return None
