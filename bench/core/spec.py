"""The contracts of the project, and nothing else: read this file first.

In a *round*, the first player makes its `updates` (k for a GAN), each on a fresh batch. Then every other player makes its
updates on the last of those batches. A GAN, an autoencoder and a diffusion model differ only in their `Networks` and
`Objective`. The Trainer has no special case for any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal, Protocol, TypeVar, runtime_checkable

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from bench.core.errors import UserError

Kind = Literal["image", "points"]
Split = Literal["train", "test"]
TaskName = Literal["generation", "paired", "unpaired", "domains"]  # `bench.tasks` says what they mean


@dataclass(frozen=True, kw_only=True)
class DataShape:
    """Record of the data's kind, the shape of one example and the number of classes (0: unlabelled), and of the task.

    In a translation task, `shape` and `classes` are of the examples to make, and `given` is the shape of the examples to make them from.
    """

    kind: Kind
    shape: tuple[int, ...]  # (channels, height, width), or (2,) for points
    classes: int = 0
    task: TaskName = "generation"
    given: tuple[int, ...] = ()  # shape of one given example; empty: nothing is given


@dataclass(frozen=True, kw_only=True)
class Examples:
    """One split of a dataset, in memory. Images are uint8 [N, C, H, W], and points are float32 [N, D].

    `given` are the inputs of a translation task. If they are `aligned`, row i of `given` belongs to row i of `data`. Otherwise the two
    sides have their own lengths and orders. In a task of domains, `given` is None, because the inputs are `data` themselves.
    """

    data: Tensor
    labels: Tensor | None = None  # [N], int64
    given: Tensor | None = None  # [M, *given]
    given_labels: Tensor | None = None  # [M], int64
    aligned: bool = True

    def __len__(self) -> int:
        return len(self.data)

    def to(self, device: torch.device) -> Examples:
        """Return these examples on another device."""
        moved: dict[str, Any] = {
            part.name: value.to(device) for part in fields(self) if isinstance(value := getattr(self, part.name), Tensor)
        }
        return replace(self, **moved)


@runtime_checkable
class Dataset(Protocol):
    """A named set of examples. `digest` is a hash of the unpacked content, whatever its source."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def spec(self) -> DataShape: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def claims(self) -> bool:
        """True if results on this data may support a claim. It is False for the embedded digits."""
        ...

    def digest(self) -> str: ...
    def split(self, name: Split) -> Examples: ...


@runtime_checkable
class Mixture(Protocol):
    """Dataset of points in equal shares from round Gaussians. Each Gaussian is a mode and a class."""

    @property
    def centres(self) -> Tensor:
        """Centres [modes, D], float32: row i is the centre of class i."""
        ...

    @property
    def sd(self) -> float:
        """Standard deviation of every mode along every axis."""
        ...


@runtime_checkable
class Stacked(Protocol):
    """A dataset of images with one grey image of `base` in each of 3 channels. It has (classes of `base`) ** 3 modes.

    The label of classes (a, b, c) is (a * n + b) * n + c, where n is the number of classes of `base`.
    """

    @property
    def base(self) -> Dataset: ...


@runtime_checkable
class Judged(Protocol):
    """A dataset whose outputs the extractors of another dataset see, because its own examples are made from those of that dataset.

    The images to make have the shape of the judge's. If they have no labels, `judge_classes` is empty.
    """

    @property
    def judge(self) -> Dataset:
        """The dataset with the classifier and the distilled network."""
        ...

    @property
    def judge_classes(self) -> tuple[int, ...]:
        """The judge's class of each label: entry k is of label k."""
        ...


@runtime_checkable
class Licensed(Protocol):
    """A dataset that states the licence and the authors of its images. Either may be empty, if it is not known."""

    @property
    def licence(self) -> str:
        """SPDX identifier of the licence."""
        ...

    @property
    def attribution(self) -> str:
        """The authors, as the licence wants them to be named."""
        ...


def to_unit_range(data: Tensor) -> Tensor:
    """Convert images uint8 [N, C, H, W] in 0..255 to float32 in [-1, 1], which the networks see. Points pass unchanged."""
    return data.to(torch.float32).mul_(2.0 / 255.0).sub_(1.0) if data.dtype == torch.uint8 else data


def to_bytes(images: Tensor) -> Tensor:
    """Round generated images in [-1, 1] to uint8, the only form in which metrics get them. NaN becomes 0."""
    return images.float().add(1.0).mul(127.5).nan_to_num(0.0).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Real examples as the networks see them: data [N, *shape] in [-1, 1] after `Networks.prepare`, labels [N].

    `given` [N, *given] in [-1, 1] are the inputs of a translation task, with their labels [N]. They are None in a task of domains.
    """

    data: Tensor
    labels: Tensor | None = None
    given: Tensor | None = None
    given_labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True, kw_only=True)
class Latent:
    """The input of a generator. An index selects rows of every part, so samples never depend on their batch."""

    z: Tensor  # [n, ...]: the part that interpolation changes. [n, 0] if the generator has none
    labels: Tensor | None = None  # [n]
    extra: Mapping[str, Tensor] = field(default_factory=dict)  # codes, crossovers, noise maps, dropout masks: each [n, ...]
    given: Tensor | None = None  # [n, *given] in [-1, 1]: the examples to translate

    def __len__(self) -> int:
        return len(self.z)

    def __getitem__(self, part: slice | Tensor) -> Latent:
        labels = None if self.labels is None else self.labels[part]
        given = None if self.given is None else self.given[part]
        return Latent(z=self.z[part], labels=labels, extra={name: value[part] for name, value in self.extra.items()}, given=given)

    def turned(self, values: Tensor, *, part: str = "", column: int | None = None) -> Latent:
        """Return each latent with each of the values [v]: [n * v]. The values replace the labels, or the extra `part` or a `column` of it."""
        crossed = self[torch.arange(len(self), device=values.device).repeat_interleave(len(values))]
        new = values.repeat(len(self))
        if not part:
            return replace(crossed, labels=new)
        if column is not None:
            new = crossed.extra[part].index_copy(1, torch.tensor([column], device=values.device), new[:, None])
        return replace(crossed, extra={**crossed.extra, part: new})


@dataclass(frozen=True, kw_only=True)
class Step:
    """The progress of training when a loss is computed."""

    images: int  # real images shown to the first player so far
    budget_images: int | None  # the run's budget; None if it is in seconds
    index: int  # previous updates of this player, for lazy regularisers
    noise: torch.Generator  # the only randomness that a loss may use, except dropout


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Result of one loss evaluation. `loss` has any shape, and training minimises its mean. `log` has detached values to average."""

    loss: Tensor
    log: Mapping[str, Tensor] = field(default_factory=dict)


def nothing(networks: Networks, terms: Terms, step: Step) -> None:
    """Do nothing after an update."""


@dataclass(frozen=True, kw_only=True)
class Player:
    """Record of a player: the networks that one optimiser trains, their loss and their number of updates."""

    name: str  # "d", "g", ...: the suffix of lr_g and loss_g. Every variant has a player "g"
    modules: tuple[str, ...]  # submodules of Networks that it trains. Two players may share one
    lr: float
    loss: Callable[[Networks, Batch, Step], Terms | None]  # computed while the other players are frozen. None: no update now
    after: Callable[[Networks, Terms, Step], None] = nothing
    updates: int = 1  # in a round; k for the first player


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]


class Recipe(BaseModel):
    """Hyperparameters that every variant has. A variant with more hyperparameters has a subclass. A field that this class lacks is an unknown path."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    batch_size: Annotated[int, Field(ge=2)] = Field(64, description="real images in a batch")
    width: Annotated[int, Field(ge=0, le=65_536)] = Field(0, description="channels of the narrowest hidden layer; 0: as published")
    lr_g: Positive = Field(2e-4, description="learning rate of the player g")
    optimiser: Literal["adam", "rmsprop", "sgd"] = Field("adam", description="optimiser of all players")
    betas: tuple[Momentum, Momentum] = Field((0.5, 0.999), description="decay rates of Adam's moments; other optimisers ignore them")
    schedule: Literal["constant", "step"] = Field("constant", description="step: StepLR(schedule_epochs, schedule_gamma)")
    schedule_epochs: Count = Field(50, description="epochs between two steps of the schedule")
    schedule_gamma: Annotated[float, Field(gt=0, le=1)] = Field(0.5, description="factor of each step of the schedule")
    init: Literal["default", "dcgan", "kaiming", "normal"] = Field("default", description="scheme of the initial weights")
    ema_half_life_images: Annotated[int, Field(ge=0)] = Field(
        0, description="half-life of the moving average of weights, in images; 0: no average"
    )
    decay_from: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="share of the budget from which learning rates fall linearly to 0 at its end; 1: they never fall"
    )
    weight_decay: NonNegative = Field(0.0, description="L2 penalty of the optimiser on all weights of a player")

    def bound_to_budget(self) -> str | None:
        """Return the name of a field whose meaning depends on the budget (e.g. growth over a share of it), or None.

        A run with such a field can neither be extended nor have a budget in seconds.
        """
        return "decay_from" if self.decay_from < 1 else None

    def sources(self) -> Mapping[str, str]:
        """Return hashes of the source behind fields that may be `module:OBJECT`, by field (`Registry.source`)."""
        return {}

    def learning_rate(self, base: float, epoch: int, share: float = 0.0) -> float:
        """Return the learning rate `base` at an epoch (counted from 0) and a share of the budget, under this recipe's schedule."""
        if share > self.decay_from:
            base *= max(0.0, (1.0 - share) / (1.0 - self.decay_from))
        if self.schedule == "constant":
            return base
        return base * self.schedule_gamma ** (epoch // self.schedule_epochs)


class LatentRecipe(Recipe):
    """Hyperparameters of variants whose generator gets a latent vector."""

    z_dim: Annotated[int, Field(ge=1, le=65_536)] = Field(100, description="width of the latent vector")
    z_distribution: Literal["normal", "uniform"] = Field("normal", description="N(0, 1), or U[-1, 1]")


R = TypeVar("R", bound=Recipe)


class Networks(nn.Module):
    """Base class of all networks of a variant. Metrics, grids and interpolation need only `draw` and `sample`."""

    classes: int = 0  # labels that the model is conditioned on; 0: none
    tf32: bool = False  # whether float32 products on CUDA are in TF32, in training and in sampling, as set by the configuration

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        """Return n latents. A conditional model gives them these labels [n], by default uniform random classes.

        The evaluation draws all its latents at once and then slices them.
        """
        raise NotImplementedError

    def sample(self, latent: Latent) -> Tensor:
        """Return final examples [n, *shape] in [-1, 1], without any randomness."""
        raise NotImplementedError

    def at(self, step: Step) -> None:
        """Follow the progress of training, once for each fresh batch. Networks that grow store their position in integer buffers."""

    def prepare(self, data: Tensor) -> Tensor:
        """Return real data as the players see it now, e.g. at the current resolution."""
        return data

    def reverse(self) -> Networks | None:
        """Return the networks that translate back, from `data` to `given`, with shared weights. Most networks have none."""
        return None

    def traversals(self, latent: Latent, columns: int) -> Mapping[str, Latent]:
        """Return latents that vary in one part (codes, classes, styles), by name, for reports.

        Each has up to `columns` versions of each latent: [n * versions], the versions of one latent side by side.
        """
        return {}


class Objective(nn.Module):
    """Base class of objectives, with the players in the order of a round. Checkpoints contain its buffers (k_t, running averages)."""

    needs: type[Networks] = Networks  # checked when a variant is assembled
    logits_are_log_odds: bool = False  # whether sigmoid(logit) is a probability, which p_real, p_fake and the balance flags need
    formula: str = ""  # what the players minimise, as the documentation shows it
    players: tuple[Player, ...]

    def attach(self, networks: Networks) -> None:
        """Create the buffers whose shapes depend on the networks, e.g. a pool of images. `assemble` calls it once, after `check`."""

    def check(self, networks: Networks) -> None:
        """Raise a UserError for networks that this objective cannot train."""
        if not isinstance(networks, self.needs):
            raise UserError(
                f"{type(self).__name__} needs {self.needs.__name__}, not {type(networks).__name__}; change `build` or `objective` of the variant"
            )


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Record of a method to compare. Its code is in networks and objective, its numbers are in the recipe."""

    name: str
    idea: str  # one line
    paper: str  # arXiv number or title
    networks: str  # a registered name, which --set networks=... replaces
    recipe: Recipe
    objective: Callable[[Recipe], Objective]
    build: Callable[[str, Recipe, DataShape], Networks]  # (networks, recipe, data)
    needs_labels: bool = False
    tasks: tuple[TaskName, ...] = ("generation",)  # that it can train on
    version: int = 1  # increased when results change
    aliases: tuple[str, ...] = ()
    note: str = ""  # what differs from the publication, if anything
    family: str = ""  # its heading in lists


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Progress of training, which `train()` yields at marks (its log and evaluation points) and at pauses.

    Scalars are means since the last mark. Their keys have no prefix: loss_d, logit_real, ...
    """

    images: int
    position: float  # in the unit of the budget: images, or seconds on the training clock
    share: float  # of the budget; at least 1 at the end
    updates: Mapping[str, int]
    train_seconds: float
    scalars: Mapping[str, float]
    mark: bool  # False: a pause, at which nothing is logged and no mean is reset
    diverged: str | None = None
