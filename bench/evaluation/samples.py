"""The samples of a generator that an evaluator measures, and what belongs to them. Everything depends only on the seed of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bench.core import random_streams
from bench.core.spec import Dataset, Judged, Networks
from bench.evaluation.evaluator import BACK, LABELS_REQUESTED, NO_COMPANIONS, Evaluator
from bench.evaluation.sampling import WALK_PAIRS, WALKS, is_random, sample, sample_labels, sample_walks
from bench.metrics.companions import Companions
from bench.tasks.catalog import task_of
from bench.tasks.task import Request

BACK_NOISE = 2  # grey levels


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The examples of a generator that an evaluator measures: n examples and, for images, walks between latents."""

    data: Tensor
    walks: Tensor | None = None
    labels: Tensor | None = None  # [n]: the labels passed to a conditional model
    companions: Companions = NO_COMPANIONS


def draw_samples(
    evaluator: Evaluator, networks: Networks, *, seed: int, batch_size: int, device: torch.device, stream: str = random_streams.EVALUATION,
    whole: bool = True,
) -> Samples:  # fmt: skip
    """Draw the samples that an evaluator needs. The latents depend only on the seed and the stream. `whole`: also draw walks."""
    points, task = evaluator.dataset.spec.kind == "points", task_of(evaluator.dataset.spec)
    request = task.ask(evaluator.dataset, evaluator.n, classes=networks.classes, seed=seed, stream=stream)
    draw = partial(sample, seed=seed, batch_size=batch_size, device=device, points=points)
    data = draw(networks, n=evaluator.n, labels=request.labels, given=request.given, stream=stream)
    companions = companions_of(evaluator, networks, request, data, partial(draw, stream=f"{stream}-again"), whole=whole)
    walks = None
    if whole and not points and "latents" in evaluator.capabilities:
        walk_labels = sample_labels(networks, evaluator.dataset, WALK_PAIRS, seed=seed, stream=WALKS)
        walks = sample_walks(networks, seed=seed, batch_size=batch_size, device=device, labels=walk_labels)
    return Samples(data=data, walks=walks, labels=request.labels, companions=companions)


def companions_of(
    evaluator: Evaluator, networks: Networks | None, request: Request, data: Tensor, draw: Callable[..., Tensor], *, whole: bool
) -> Companions:
    """Return what belongs to the outputs `data` of a request. `draw` samples networks. Without `networks`, nothing is sampled.

    `whole`: also sample outputs that are translated back, a second output for each input, and translations of target examples.
    """
    if request.given is None:
        return NO_COMPANIONS
    dataset = evaluator.dataset
    found = Companions(
        given=request.given, truth=request.truth, truth_labels=judged(dataset, request.truth_labels), target_classes=target_classes(dataset)
    )
    if not whole or networks is None:
        return found
    sampled: dict[str, Any] = {}
    if "again" in evaluator.capabilities:
        sampled["again"] = draw(networks, n=request.n, labels=request.labels, given=request.given) if is_random(networks) else data
    if (reverse := networks.reverse()) is not None:
        noise = torch.randint(-BACK_NOISE, BACK_NOISE + 1, data.shape, generator=random_streams.stream(0, "back-noise"))
        for name, given in {"back": data, "back_noisy": (data + noise).clamp(0, 255).to(torch.uint8)}.items():
            sampled[name] = draw(reverse, n=request.n, labels=request.given_labels, given=given)
    if "identity" in evaluator.capabilities:
        test = dataset.split("test")
        targets, labels = test.data[: request.n], None if test.labels is None or not networks.classes else test.labels[: request.n]
        sampled["identity"] = targets, draw(networks, n=len(targets), labels=labels, given=targets)
    return replace(found, **sampled)


def with_companions(evaluator: Evaluator, samples: Samples) -> Samples:
    """Return external outputs with what belongs to them: row i is the output for test input i. Generated samples have nothing.

    Raises UserError if there are more outputs than test inputs.
    """
    task = task_of(evaluator.dataset.spec)
    request = task.ask(evaluator.dataset, len(samples.data), classes=0, seed=0, stream="")
    companions = companions_of(evaluator, None, request, samples.data, sample, whole=False)
    return replace(samples, labels=request.labels, companions=companions)


def words_of_networks(networks: Networks) -> set[str]:
    """Return the words of `OF_NETWORKS` that networks provide."""
    return ({LABELS_REQUESTED} if networks.classes else set()) | ({BACK} if networks.reverse() is not None else set())


def judged(dataset: Dataset, labels: Tensor | None) -> Tensor | None:
    """Return labels [n] in the numbering of the classifier that sees the outputs."""
    if labels is None or not isinstance(dataset, Judged):
        return labels
    return torch.tensor(dataset.judge_classes)[labels]


def target_classes(dataset: Dataset) -> tuple[int, ...] | None:
    """Return the classes of the target side in the numbering of the classifier that sees the outputs. None if they are unknown."""
    classes = dataset.judge_classes if isinstance(dataset, Judged) else range(dataset.spec.classes)
    return tuple(sorted(set(classes))) or None
