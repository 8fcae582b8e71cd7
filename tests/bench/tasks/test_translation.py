"""The tasks of translation: requests, reference rows and the layout of pictures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import DataShape
from bench.tasks.catalog import TASKS, task_of
from bench.tasks.task import Request
from bench.tasks.translation import COLUMNS, arrange, arrange_domains, resized

TRANSLATING = ("digits-x2", "digits-edges", "digits-unpaired", "digits-domains")


def request_of(name: str, n: int) -> Request:
    dataset = DATASETS.get(name)
    return task_of(dataset.spec).ask(dataset, n, classes=0, seed=0, stream="evaluation")


@pytest.mark.parametrize("name", TRANSLATING)
def test_the_inputs_are_the_first_of_the_test_split(name: str) -> None:
    test, request = DATASETS.get(name).split("test"), request_of(name, 12)
    given = test.data if test.given is None else test.given
    assert request.given is not None
    assert torch.equal(request.given, given[:12])
    assert request.n == 12


@pytest.mark.parametrize("name", TRANSLATING)
def test_more_outputs_than_test_inputs_are_refused(name: str) -> None:
    inputs = task_of(DATASETS.get(name).spec).inputs(DATASETS.get(name))
    assert inputs is not None
    assert request_of(name, inputs).n == inputs
    with pytest.raises(UserError):
        request_of(name, inputs + 1)


def test_only_pairs_have_truths() -> None:
    paired, test = request_of("digits-edges", 9), DATASETS.get("digits-edges").split("test")
    assert paired.truth is not None
    assert test.labels is not None
    assert torch.equal(paired.truth, test.data[:9])
    assert torch.equal(paired.truth_labels, test.labels[:9])  # type: ignore[arg-type]
    assert request_of("digits-unpaired", 9).truth is None
    assert request_of("digits-domains", 9).truth is None


def test_target_domains_are_never_that_of_the_input_and_are_balanced() -> None:
    request, domains = request_of("digits-domains", 120), DATASETS.get("digits-domains").spec.classes
    assert request.labels is not None
    assert request.given_labels is not None
    assert not (request.labels == request.given_labels).any()
    shift = (request.labels - request.given_labels) % domains
    assert shift.bincount(minlength=domains).tolist() == [0, *[120 // (domains - 1)] * (domains - 1)]


@pytest.mark.parametrize("name", TRANSLATING)
def test_reference_rows_have_the_shape_of_outputs(name: str) -> None:
    dataset = DATASETS.get(name)
    task, request = task_of(dataset.spec), request_of(name, 7)
    rows = {kind: row.make(dataset, request) for kind, row in task.rows.items() if row.fits(dataset.spec)}
    assert {"copy", "mean"} <= rows.keys() if name != "digits-x2" else {"bicubic", "nearest", "mean"} == rows.keys()
    assert all(images.shape == (7, *dataset.spec.shape) and images.dtype == torch.uint8 for images in rows.values())


def test_a_copy_is_the_input_and_the_mean_is_that_of_training_targets() -> None:
    dataset, request = DATASETS.get("digits-edges"), request_of("digits-edges", 5)
    rows = task_of(dataset.spec).rows
    assert torch.equal(rows["copy"].make(dataset, request), request.given)  # type: ignore[arg-type]
    mean = rows["mean"].make(dataset, request)
    expected = dataset.split("train").data.double().mean(dim=0)
    assert (mean[3].double() - expected).abs().max() <= 0.5


def test_nearest_enlarges_by_repetition() -> None:
    small = torch.tensor([[[[0, 100], [200, 255]]]], dtype=torch.uint8)
    large = resized(small, (1, 4, 4), "nearest-exact")
    assert torch.equal(large, small.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
    assert resized(small, (3, 2, 2), "nearest-exact").shape == (1, 3, 2, 2)


def solid(values: list[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1)


def test_a_picture_has_inputs_outputs_and_truths_below_each_other() -> None:
    given, output, truth = solid(list(range(16))), solid(list(range(100, 116))), solid(list(range(200, 216)))
    layout = arrange(Request(n=16, given=given, truth=truth), output)
    rows = layout.images.flatten().reshape(-1, COLUMNS)
    assert layout.columns == COLUMNS
    assert [row[0] for row in rows.tolist()] == [0, 100, 200, 8, 108, 208]
    assert len(arrange(Request(n=16, given=given), output).images) == 32


def test_a_picture_of_domains_has_a_row_for_each_domain() -> None:
    given = solid(list(range(COLUMNS))).repeat_interleave(3, dim=0)
    output = solid([10 * (1 + index % 3) + index // 3 for index in range(3 * COLUMNS)])
    rows = arrange_domains(Request(n=3 * COLUMNS, given=given), output).images.flatten().reshape(-1, COLUMNS).tolist()
    assert rows == [[start + column for column in range(COLUMNS)] for start in (0, 10, 20, 30)]


@pytest.mark.parametrize("name", TRANSLATING)
def test_pictures_show_test_inputs(name: str) -> None:
    dataset = DATASETS.get(name)
    task = task_of(dataset.spec)
    assert task.picture is not None
    assert task.arrange is not None
    request = task.picture(dataset)
    layout = task.arrange(request, torch.zeros(request.n, *dataset.spec.shape, dtype=torch.uint8))
    assert len(layout.images) % layout.columns == 0
    assert tuple(layout.images.shape[1:]) == dataset.spec.shape


def test_generation_asks_for_nothing_but_labels() -> None:
    data = DATASETS.get("digits")
    request = task_of(data.spec).ask(data, 30, classes=10, seed=1, stream="evaluation")
    assert request.given is None
    assert request.labels is not None
    assert len(request.labels) == 30
    assert task_of(data.spec).ask(data, 30, classes=0, seed=1, stream="evaluation") == Request(n=30)
    assert task_of(DataShape(kind="image", shape=(1, 8, 8))) is TASKS["generation"]


def test_a_part_of_a_request_has_the_rows_of_every_tensor() -> None:
    part = request_of("digits-edges", 10).part(torch.tensor([7, 2]))
    whole = request_of("digits-edges", 10)
    assert part.n == 2
    assert torch.equal(part.given, whole.given[[7, 2]])  # type: ignore[arg-type, index]
    assert torch.equal(part.truth_labels, whole.truth_labels[[7, 2]])  # type: ignore[arg-type, index]
