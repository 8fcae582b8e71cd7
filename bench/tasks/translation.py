"""Translation: an example of one side is given, and one of the other side is to be made.

Paired: each test input has a truth. Unpaired: the sides only have the same content. Domains: an input of one domain, and the domain to
make of it. A test input is always the same row of the test split, so the outputs of all variants can be compared row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bench.core.errors import UserError
from bench.core.spec import Dataset
from bench.tasks.task import Layout, Request, ScaleRow, Task

COLUMNS = 8  # inputs in a row of a picture
BLOCKS = 2  # rows of inputs in a picture of a task without domains
NARROW: Mapping[str, Any] = {"recipe.width": 16}  # of the row `untrained`
OF_GENERATION = frozenset({"latents", "training"})  # words of `needs` that a translation lacks


def ask_paired(dataset: Dataset, n: int, *, classes: int, seed: int, stream: str) -> Request:
    """Return the first n test inputs with their truths."""
    test = dataset.split("test")
    given = _inputs(dataset, n)
    return Request(n=n, given=given, truth=test.data[:n], truth_labels=None if test.labels is None else test.labels[:n])


def ask_unpaired(dataset: Dataset, n: int, *, classes: int, seed: int, stream: str) -> Request:
    """Return the first n test inputs."""
    return Request(n=n, given=_inputs(dataset, n))


def ask_domains(dataset: Dataset, n: int, *, classes: int, seed: int, stream: str) -> Request:
    """Return the first n test examples, each with a domain other than its own. The other domains take turns."""
    test = dataset.split("test")
    given, labels, domains = _inputs(dataset, n), test.labels, dataset.spec.classes
    assert labels is not None
    turn = torch.arange(n) % (domains - 1)
    return Request(n=n, given=given, given_labels=labels[:n], labels=(labels[:n] + 1 + turn) % domains)


def _inputs(dataset: Dataset, n: int) -> Tensor:
    test = dataset.split("test")
    given = test.data if test.given is None else test.given
    if n > len(given):
        raise UserError(f"{n:,} is more than the {len(given):,} test inputs of {dataset.name}; set evaluation.samples to at most that")
    return given[:n]


def count_inputs(dataset: Dataset) -> int:
    """Return the number of test inputs."""
    test = dataset.split("test")
    return len(test if test.given is None else test.given)


def resized(images: Tensor, shape: tuple[int, ...], mode: str) -> Tensor:
    """Return images uint8 [n, c, h, w] in the size of a shape (C, H, W), rounded to uint8. Grey images get C equal channels.

    `mode`: "nearest-exact" or "bicubic", without antialiasing, with torch's alignment of pixel centres.
    """
    if tuple(images.shape[2:]) != tuple(shape[1:]):
        images = interpolate(images.float(), size=list(shape[1:]), mode=mode).round().clamp(0, 255).to(torch.uint8)
    return images.expand(-1, shape[0], -1, -1) if images.shape[1] == 1 else images


def _as_large(mode: str) -> ScaleRow:
    return ScaleRow(
        idea=f"the input, enlarged by {mode.removesuffix('-exact')} interpolation",
        fits=lambda data: data.given[1:] != data.shape[1:] and data.given[0] in (1, data.shape[0]),
        make=lambda dataset, request: resized(_given(request), dataset.spec.shape, mode),
    )


def _given(request: Request) -> Tensor:
    assert request.given is not None
    return request.given


def _mean(dataset: Dataset, request: Request) -> Tensor:
    """Return the mean training target, for every input."""
    mean = torch.stack([part.double().sum(dim=0) for part in dataset.split("train").data.split(1000)]).sum(dim=0)
    mean = (mean / len(dataset.split("train"))).round().to(torch.uint8)
    return mean.expand(request.n, *mean.shape)


COPY = ScaleRow(
    idea="the input itself, unchanged",
    fits=lambda data: data.given[1:] == data.shape[1:] and data.given[0] in (1, data.shape[0]),
    make=lambda dataset, request: resized(_given(request), dataset.spec.shape, "nearest-exact"),
)
MEAN = ScaleRow(idea="the mean training target, for every input", fits=lambda data: True, make=_mean)
ROWS = {"copy": COPY, "bicubic": _as_large("bicubic"), "nearest": _as_large("nearest-exact"), "mean": MEAN}


def arrange(request: Request, output: Tensor) -> Layout:
    """Arrange inputs, the outputs and, if known, the truths, each in a row of 8 below the other."""
    strips, shape = [], tuple(output.shape[1:])
    for start in range(0, request.n, COLUMNS):
        rows = slice(start, start + COLUMNS)
        strips += [resized(_given(request)[rows], shape, "nearest-exact"), output[rows]]
        if request.truth is not None:
            strips.append(request.truth[rows])
    return Layout(images=torch.cat(strips), columns=COLUMNS)


def picture(dataset: Dataset) -> Request:
    """Return the request of a picture: the first 16 test inputs."""
    return task_ask(dataset, min(BLOCKS * COLUMNS, count_inputs(dataset)))


def task_ask(dataset: Dataset, n: int) -> Request:
    """Return the request for a paired or an unpaired dataset."""
    request = ask_paired if dataset.split("test").aligned else ask_unpaired
    return request(dataset, n, classes=0, seed=0, stream="")


def picture_domains(dataset: Dataset) -> Request:
    """Return the request of a picture: 8 test inputs, of the domains in turn, each with every domain."""
    test, domains = dataset.split("test"), dataset.spec.classes
    assert test.labels is not None
    chosen = [int((test.labels == index % domains).nonzero()[index // domains]) for index in range(COLUMNS)]
    given = test.data[torch.tensor(chosen)].repeat_interleave(domains, dim=0)
    return Request(n=len(given), given=given, labels=torch.arange(domains).repeat(COLUMNS))


def arrange_domains(request: Request, output: Tensor) -> Layout:
    """Arrange 8 inputs in a row, and below it a row for each domain."""
    domains = request.n // COLUMNS
    given = resized(_given(request)[::domains], tuple(output.shape[1:]), "nearest-exact")
    return Layout(images=torch.cat([given, *(output[domain::domains] for domain in range(domains))]), columns=COLUMNS)


PAIRED = Task(
    name="paired",
    title="paired translation",
    idea="make the counterpart of a given example, learned from pairs",
    ask=ask_paired,
    inputs=count_inputs,
    untrained=lambda data: ("pix2pix" if data.given[1:] == data.shape[1:] else "srresnet", NARROW),
    provides=lambda data: frozenset({"given", "truth", "again"}),
    lacks=OF_GENERATION,
    rows=ROWS,
    picture=picture,
    arrange=arrange,
)
UNPAIRED = Task(
    name="unpaired",
    title="unpaired translation",
    idea="translate from one side to the other, learned from two sides without pairs",
    ask=ask_unpaired,
    inputs=count_inputs,
    untrained=lambda data: ("cyclegan", NARROW),
    provides=lambda data: frozenset({"given", "target", "again"} | ({"identity"} if data.given == data.shape else set())),
    lacks=OF_GENERATION | {"labels"},
    rows=ROWS,
    picture=picture,
    arrange=arrange,
)
DOMAINS = Task(
    name="domains",
    title="translation between domains",
    idea="translate an example to each of several domains",
    ask=ask_domains,
    inputs=count_inputs,
    untrained=lambda data: ("stargan", NARROW),
    provides=lambda data: frozenset({"given", "identity"}),
    lacks=OF_GENERATION,
    own_classes=True,
    rows={"copy": COPY, "mean": MEAN},
    picture=picture_domains,
    arrange=arrange_domains,
)
