"""Tests of saved states: round trips, atomic writes and damaged files."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from bench.core import serialization
from bench.core.errors import UserError

STATE = {
    "tensors": {"a": torch.arange(6.0).reshape(2, 3), "scalar": torch.tensor(3), "bytes": torch.tensor([1, 2], dtype=torch.uint8)},
    "numbers": {0: 1, 5: 2.5, "none": None, "nan": math.nan},
    "list": [1, "two", [torch.ones(1)]],
    "empty": {},
}


def test_round_trip_keeps_types_keys_and_bits(tmp_path: Path) -> None:
    serialization.save(STATE, tmp_path / "deep" / "state")
    back = serialization.load(tmp_path / "deep" / "state")
    assert torch.equal(back["tensors"]["a"], STATE["tensors"]["a"])  # type: ignore[index]
    assert back["tensors"]["scalar"].shape == ()
    assert back["tensors"]["bytes"].dtype == torch.uint8
    assert back["numbers"][5] == 2.5
    assert back["numbers"]["none"] is None
    assert math.isnan(back["numbers"]["nan"])
    assert back["list"][:2] == [1, "two"]
    assert back["empty"] == {}


def test_tensors_that_share_memory_are_saved_apart(tmp_path: Path) -> None:
    base = torch.arange(4.0)
    serialization.save({"one": base, "two": base, "part": base[1:]}, tmp_path / "state")
    assert torch.equal(serialization.load(tmp_path / "state")["part"], base[1:])


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    serialization.save(STATE, tmp_path / "state")
    serialization.save(STATE, tmp_path / "state")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("cut", [0, 7, 40, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: int) -> None:
    serialization.save(STATE, tmp_path / "state")
    content = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(content[:cut])
    with pytest.raises(UserError, match="is damaged") as caught:
        serialization.load(tmp_path / "state")
    assert "\n" not in str(caught.value)


def test_a_changed_byte_is_refused(tmp_path: Path) -> None:
    serialization.save(STATE, tmp_path / "state")
    content = bytearray((tmp_path / "state").read_bytes())
    for position in (len(content) - 2, content.index(b"two")):
        changed = bytearray(content)
        changed[position] ^= 1
        (tmp_path / "state").write_bytes(bytes(changed))
        with pytest.raises(UserError, match="is damaged"):
            serialization.load(tmp_path / "state")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no checkpoint"):
        serialization.load(tmp_path / "nothing")
