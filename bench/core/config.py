"""Configuration of a run: all settings in one frozen object. Users change settings by path, and a hash of the settings is the fingerprint."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator, model_validator

from bench.core import random_streams
from bench.core.errors import UserError, nearest, one_line
from bench.core.registry import Registry
from bench.core.spec import Dataset, Recipe, Variant

RESULTS_VERSION = 2  # increased by hand when the harness changes results
_BUDGET = "budget."
Resize = Literal["tensorflow", "clean"]  # how Inception resizes images: `bench.metrics.extractors.inception.resized`
LOG_MARKS = 100  # points of each training scalar that a run logs
# Settings that were added later, with the value that changes nothing. An identity and a recorded run have them only with another value,
# so fingerprints and columns from before them stay the same.
ADDED: Mapping[str, Any] = {"vary": random_streams.ALL_TRAINING, "recipe.decay_from": 1.0, "recipe.weight_decay": 0.0}


class Described(Protocol):
    """Protocol of registered objects that have a line of description."""

    @property
    def idea(self) -> str: ...


VARIANTS: Registry[Variant] = Registry("variant", Variant)
DATASETS: Registry[Dataset] = Registry("dataset", Dataset)
NETWORKS: Registry[Described] = Registry("networks")  # the variants define what a backbone is


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Budget(_Section):
    """Training budget in exactly one unit. Setting one unit unsets the others."""

    images: Annotated[int, Field(ge=1, le=10**12)] | None = Field(
        100_000,
        description="real images shown to the first player in all its updates; the run finishes with the first round that reaches them",
    )
    generator_updates: Annotated[int, Field(ge=1, le=10**10)] | None = Field(None, description="updates of the player g")
    train_seconds: Annotated[float, Field(gt=0, le=10**9)] | None = Field(
        None, description="seconds on the training clock, which excludes evaluation and logging; such a run is not repeatable bit for bit"
    )

    @model_validator(mode="after")
    def _one_unit(self) -> Budget:
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            raise ValueError(f"takes exactly one of {', '.join(type(self).model_fields)}, not {' and '.join(given) or 'none'}")
        return self

    def __str__(self) -> str:
        """Return the budget in words, e.g. "100,000 images"."""
        words = {"images": "images", "generator_updates": "G updates", "train_seconds": "train seconds"}
        return next(f"{value:,} {words[name]}" for name, value in self if value is not None)


class Evaluation(_Section):
    """Evaluation settings. They are not part of a run's identity, because they do not change the training.

    A mark is an evaluation point: a position in training at which the run computes its headline metric.
    """

    marks: Annotated[int, Field(ge=0, le=LOG_MARKS - 1)] = Field(
        3, description="evaluation points between the start and the end, for the headline metric alone"
    )
    best: bool = Field(False, description="also save the weights of the best evaluation point, and evaluate them at the end on other noise")
    samples: Annotated[int, Field(ge=0)] = Field(
        0, description="number of generated images; 0: as many as in the test split, or in the training split if that is smaller"
    )
    batch_size: Annotated[int, Field(ge=1)] = Field(500, description="images sampled at once; changes no number beyond float rounding")
    standard_errors: bool = Field(True, description="a half-sample standard error beside every metric of the final evaluation")
    inception: bool = Field(False, description="also compute the published FID at the end; it needs the weights of the Inception network")
    inception_resize: Resize = Field(
        "tensorflow", description="how to scale images for Inception: `tensorflow` as in the published FID, or `clean` as in clean-fid"
    )
    inception_statistics: str = Field(
        "", description="an .npz file of reference statistics that FID on Inception features uses in place of the test split"
    )
    photo: bool = Field(
        False, description="also compute Fréchet distance and KID at the end, on features of an ImageNet network; it needs ganbench[photo]"
    )
    cas: bool = Field(
        False, description="also train a classifier on the images of a conditional variant at the end, and test it on real ones"
    )
    headline: str = Field(
        "", description="the metric at evaluation points, which ranks the run; empty: that of the dataset. A resumed run keeps its own"
    )
    metrics: tuple[str, ...] = Field(
        (), description="metrics of the final evaluation, always with the headline metric; empty: all metrics of the dataset"
    )

    @field_validator("metrics", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("inception_statistics")
    @classmethod
    def _absolute(cls, value: str) -> str:
        """Return an absolute path, because a worker may have another working folder."""
        return str(Path(os.path.expanduser(value)).absolute()) if value else ""

    @model_validator(mode="after")
    def _options_of_inception(self) -> Evaluation:
        for name in ("inception_resize", "inception_statistics"):
            if getattr(self, name) != type(self).model_fields[name].default and not self.inception:
                raise ValueError(f"evaluation.{name} needs evaluation.inception=true")
        return self

    def how(self) -> Evaluation:
        """Return the settings that change how a metric is computed, with all others at their defaults."""
        return Evaluation(**self.model_dump(exclude={"marks", "best", "batch_size"}))


class RunConfig(_Section):
    """Complete configuration of one run. `bench.runs.auto_choice.resolve` resolves `auto` before the configuration is hashed."""

    variant: str
    networks: str
    recipe: SerializeAsAny[Recipe]
    dataset: str = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    vary: str = Field(
        random_streams.ALL_TRAINING,
        description="random streams of training that follow the seed: init (initial weights), data (order of the data), noise (latents and all other draws); the others are those of seed 0",
    )
    budget: Budget = Budget()
    evaluation: Evaluation = Evaluation()
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    memory_format: Literal["auto", "contiguous", "channels_last"] = Field(
        "auto",
        description="memory layout of weights and images of convolutions; it changes results in their last bits, so it is part of the identity",
    )
    tf32: bool = Field(False, description="use TF32 for float32 products in training and in sampling, on CUDA only; not tested on a GPU")
    compile: bool = Field(False, description="compile the networks with torch.compile in training, on CUDA only; not tested on a GPU")
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="torch threads on the CPU; their number changes results in the last bits, so it is part of the identity"
    )

    @field_validator("vary", mode="before")
    @classmethod
    def _known_streams(cls, value: Any) -> str:
        """Return the names of the streams, each once and in one order."""
        names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
        known = random_streams.TRAINING
        if not isinstance(names, (list, tuple)) or not any(names):
            raise ValueError(f"takes one or more of {', '.join(known)}, separated by commas, not {one_line(repr(value), most=80)}")
        for name in names:
            if name not in known:
                raise ValueError(f"unknown random stream {one_line(repr(name), most=80)}{nearest(str(name), known)}")
        return ",".join(name for name in known if name in names)

    @model_validator(mode="before")
    @classmethod
    def _fill_from_variant(cls, values: Any) -> Any:
        """Look up the variant. Check the recipe by the variant's recipe class, and use its networks by default."""
        if not isinstance(values, Mapping) or not isinstance(values.get("variant"), str):
            return values
        variant = VARIANTS.get(values["variant"])
        given = values.get("recipe", variant.recipe)
        recipe = given if isinstance(given, Recipe) else _recipe(variant, given)
        name = VARIANTS.canonical(values["variant"])
        return {"networks": variant.networks, **values, "variant": name, "recipe": recipe}

    def seed_of(self, stream: str) -> int:
        """Return the seed of a random stream of training: `seed`, or that of fixed streams if the stream is not in `vary`."""
        return random_streams.FIXED_SEED if stream in self.fixed_streams else self.seed

    @property
    def fixed_streams(self) -> tuple[str, ...]:
        """The random streams of training that do not follow the seed."""
        return tuple(stream for stream in random_streams.TRAINING if stream not in self.vary.split(","))

    @property
    def seed_words(self) -> str:
        """Seed as text, with the random streams that follow it, unless all do: "seed 3, vary init"."""
        return f"seed {self.seed}" + (f", vary {self.vary}" if self.fixed_streams else "")

    def recorded_settings(self) -> dict[str, Any]:
        """Return every path with its value, as a run records them. Paths of `ADDED` are recorded only with another value."""
        return {path: value for path, value in paths(self).items() if path not in ADDED or value != ADDED[path]}

    def canonical(self) -> str:
        """Return the complete configuration as JSON with sorted keys, as config.json stores it."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=2)

    def fingerprint(self, *, data_digest: str) -> str:
        """Return the identity of the training in 16 hex digits. Runs with the same fingerprint give the same weights."""
        return short_hash(self._identity(data_digest))

    def lineage(self, *, data_digest: str) -> str:
        """Return the identity of the training without its budget. A run can extend another run of the same lineage."""
        return short_hash({key: value for key, value in self._identity(data_digest).items() if key != "budget"})

    def _identity(self, data_digest: str) -> dict[str, Any]:
        dump = self.model_dump(mode="json", exclude={"evaluation"})
        unresolved = [name for name in ("dataset", "precision", "memory_format", "device") if dump[name] == "auto"]
        if unresolved:
            raise ValueError(f"resolve {unresolved} before computing a fingerprint")
        for path, value in ADDED.items():
            section, _, name = path.rpartition(".")
            part = dump[section] if section else dump
            if part.get(name) == value:
                del part[name]
        versions: dict[str, Any] = {"variant_version": VARIANTS.get(self.variant).version, "results_version": RESULTS_VERSION}
        source = self.source()
        return dump | {"data_digest": data_digest} | versions | ({"source": source} if source else {})

    def source(self) -> str:
        """Return a hash of the source behind each `module:OBJECT` in variant, networks and recipe, or an empty text."""
        sources = {"variant": VARIANTS.source(self.variant), "networks": NETWORKS.source(self.networks), **self.recipe.sources()}
        found = {field: source for field, source in sources.items() if source}
        return short_hash(found) if found else ""


def short_hash(value: Any) -> str:
    """Return 16 hex digits of the SHA-256 of a JSON-able value, in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def config_for(variant: str, settings: Mapping[str, Any] | None = None) -> RunConfig:
    """Return the configuration of a variant as registered, then changed by `settings` (paths to values)."""
    return override(RunConfig.model_validate({"variant": variant}), settings or {})


def load_config(text: str) -> RunConfig:
    """Return a configuration from the JSON that `canonical` wrote."""
    try:
        return RunConfig.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"not a run configuration: {_first(error)}") from error


def paths(config: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Return every settable path with its current value: {"recipe.lr_g": 0.0002, "seed": 0, ...}."""
    found: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        found |= paths(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else {f"{prefix}{name}": value}
    return found


def parse_setting(text: str) -> tuple[str, Any]:
    """Return path and value of `PATH=VALUE` from the command line. The value is JSON, a list `a,b`, or else text."""
    path, equals, raw = text.partition("=")
    if not equals or not path.strip():
        raise UserError(f"--set takes PATH=VALUE, e.g. recipe.k=2, not {text!r}")
    return path.strip(), _parse_value(raw.strip())


def _parse_value(raw: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return [_parse_value(part.strip()) for part in raw.split(",")] if "," in raw and not raw.startswith(("[", "{")) else raw


def merged(*settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings in one mapping. Later values win, and a budget in one unit replaces an earlier one in another unit."""
    result: dict[str, Any] = {}
    for layer in settings:
        if any(path.startswith(_BUDGET) for path in layer):
            result = {path: value for path, value in result.items() if not path.startswith(_BUDGET)}
        result |= layer
    return result


def override(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """Return the configuration with other values at some paths. --set, suites and trials all use this function.

    Raises a UserError with the nearest good names for an unknown path or a bad value.
    """
    if not settings:
        return config
    known = paths(config)
    dump = config.model_dump()
    if any(path.startswith(_BUDGET) for path in settings):
        dump["budget"] = dict.fromkeys(Budget.model_fields)
    if "variant" in settings:
        raise UserError("the variant cannot be --set: give its name instead")
    for path, value in settings.items():
        if path not in known:
            raise UserError(f"unknown path {path!r} for {config.variant}" + nearest(path, known))
        _check_text(path, value)
        if isinstance(value, bool) and not isinstance(known[path], bool):
            raise UserError(f"{path}: does not take true or false; its current value is {known[path]!r}")
        target = dump
        *parents, leaf = path.split(".")
        for part in parents:
            target = target[part]
        target[leaf] = value
    try:
        return RunConfig.model_validate(dump)
    except ValidationError as error:
        raise UserError(_first(error)) from error


def check_settable(settings: Mapping[str, Any], settable: Collection[str], *, command: str) -> None:
    """Raise UserError for a path that is not in `settable`. Commands that only evaluate call this function."""
    for path in settings:
        if path not in settable:
            raise UserError(f"`{command}` has no setting {path!r}{nearest(path, settable)}")


def evaluation_with(settings: Mapping[str, Any]) -> Evaluation:
    """Return the default evaluation with other values at some paths, such as "evaluation.photo". Raises UserError for a bad value."""
    try:
        return Evaluation.model_validate({path.removeprefix("evaluation."): value for path, value in settings.items()})
    except ValidationError as error:
        raise UserError(_first(error, "evaluation")) from error


def _check_text(path: str, value: Any) -> None:
    """Raise a UserError for text that is not UTF-8, because config.json could not store it."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{path}: {one_line(repr(value))} is not UTF-8; use UTF-8 text") from error


def _recipe(variant: Variant, given: Mapping[str, Any]) -> Recipe:
    """Return the variant's recipe with other values. Raises a UserError that names the path of a wrong value."""
    try:
        return type(variant.recipe).model_validate({**variant.recipe.model_dump(), **given})
    except ValidationError as error:
        raise UserError(_first(error, "recipe")) from error


def _first(error: ValidationError, *prefix: str) -> str:
    """Return the first problem of a validation error, as one line."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in (*prefix, *problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":  # this project's message names the bad value or, for several numbers, their paths
        return f"{where}: {message}" if problem["loc"] else message
    return f"{where or 'value'}: {message}, not {one_line(repr(problem.get('input')), most=80)}"
