"""Batches of real data."""

from __future__ import annotations

import pytest
import torch

from bench.core.errors import UserError
from bench.core.spec import Examples
from bench.training.batches import BatchLoader, storage_device

CPU = torch.device("cpu")


def loader(n: int = 10, *, seed: int = 0, batch_size: int = 4) -> BatchLoader:
    data = torch.arange(n, dtype=torch.uint8).reshape(n, 1, 1, 1)
    return BatchLoader(Examples(data=data, labels=torch.arange(n)), batch_size=batch_size, seed=seed, device=CPU)


def labels(source: BatchLoader, batches: int) -> list[list[int]]:
    return [source.next().labels.tolist() for _ in range(batches)]  # type: ignore[union-attr]


def test_an_epoch_shows_each_example_at_most_once_and_drops_the_short_batch() -> None:
    source = loader()
    assert source.batches_per_epoch == 2
    first, second = labels(source, 2)
    assert len(set(first + second)) == 8
    assert source.epoch == 1


def test_data_is_scaled_and_belongs_to_its_label() -> None:
    batch = loader().next()
    assert batch.labels is not None
    torch.testing.assert_close(batch.data.flatten(), batch.labels / 127.5 - 1)


def test_order_is_a_function_of_seed_and_epoch() -> None:
    whole = labels(loader(), 8)
    assert labels(loader(), 8) == whole
    assert labels(loader(seed=1), 8) != whole
    assert whole[:2] != whole[2:4]
    later = loader()
    later.position = 5
    assert labels(later, 3) == whole[5:]


def test_every_example_is_seen_over_epochs() -> None:
    epoch = {label for batch in labels(loader(), 40) for label in batch}
    assert epoch == set(range(10))


def test_data_that_would_fill_a_gpu_stays_in_host_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    examples, gpu = Examples(data=torch.zeros(100, dtype=torch.uint8)), torch.device("cuda")
    for free_bytes, where in ((1000, "cuda"), (200, "cuda"), (199, "cpu")):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free_bytes: (free, 10**12))
        assert storage_device(examples, gpu).type == where
    assert storage_device(examples, CPU) == CPU


def test_batches_of_data_that_stays_behind_come_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.training.batches.storage_device", lambda examples, device: CPU)
    data = torch.arange(8, dtype=torch.uint8).reshape(8, 1, 1, 1)
    source = BatchLoader(Examples(data=data, labels=torch.arange(8)), batch_size=4, seed=0, device=torch.device("meta"))
    batch = source.next()
    assert batch.data.device.type == "meta"
    assert batch.labels is not None
    assert batch.labels.device.type == "meta"


def translation(n: int, m: int, *, aligned: bool, batch_size: int = 4, seed: int = 0) -> BatchLoader:
    data, given = (torch.arange(length, dtype=torch.float32).reshape(-1, 1) for length in (n, m))
    return BatchLoader(Examples(data=data, given=given, aligned=aligned), batch_size=batch_size, seed=seed, device=CPU)


def rows(source: BatchLoader, batches: int) -> tuple[list[int], list[int]]:
    found = [source.next() for _ in range(batches)]
    data, given = (torch.cat([side for batch in found if (side := getattr(batch, name)) is not None]) for name in ("data", "given"))
    return data[:, 0].int().tolist(), given[:, 0].int().tolist()


def test_aligned_given_examples_come_with_their_targets() -> None:
    data, given = rows(translation(12, 12, aligned=True), 6)
    assert data == given
    assert data[:12] != data[12:]
    assert sorted(data[:12]) == list(range(12))


def test_unaligned_sides_have_orders_of_their_own_and_the_larger_one_gives_the_epoch() -> None:
    source = translation(16, 8, aligned=False)
    assert source.batches_per_epoch == 4
    data, given = rows(source, 4)
    assert sorted(data) == list(range(16))
    assert sorted(given[:8]) == sorted(given[8:]) == list(range(8))
    assert given[:8] != given[8:]
    assert source.epoch == 1


def test_the_position_is_the_whole_state_of_unaligned_sides() -> None:
    source = translation(17, 9, aligned=False)
    rows(source, 7)
    resumed = translation(17, 9, aligned=False)
    resumed.position = source.position
    assert rows(resumed, 5) == rows(source, 5)
    other = translation(17, 9, aligned=False, seed=1)
    other.position = 7
    source.position = 7
    assert rows(other, 5) != rows(source, 5)


def test_a_batch_larger_than_the_smaller_side_is_refused() -> None:
    with pytest.raises(UserError):
        translation(16, 3, aligned=False)
