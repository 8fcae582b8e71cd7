"""The last two checkpoints of a run, and the points that may be sent."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from bench.core import serialization
from bench.core.errors import UserError
from bench.runs.checkpointing import SECONDS, VARIABLE, Checkpointer, interval
from bench.training.checkpoints import CheckpointStore


def state(images: int) -> dict[str, object]:
    return {"images": images, "weights": torch.full((3,), float(images)), "log": {"run_id": "r", "points": []}}


def images(checkpoints: CheckpointStore) -> object:
    found = checkpoints.load()
    return found and found["images"]


@pytest.fixture
def checkpoints(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "fingerprint")


def test_the_newest_and_the_one_before(checkpoints: CheckpointStore) -> None:
    assert not checkpoints.any
    assert checkpoints.load() is None
    for number in (1, 2, 3):
        checkpoints.save(state(number))
    assert checkpoints.any
    assert images(checkpoints) == 3
    assert serialization.load(checkpoints.before)["images"] == 2
    assert sorted(path.name for path in checkpoints.newest.parent.iterdir()) == ["state-before.safetensors", "state.safetensors"]
    checkpoints.save_alone(state(4))
    assert images(checkpoints) == 4
    assert not checkpoints.before.exists()
    checkpoints.remove()
    assert not checkpoints.any


@pytest.mark.parametrize("damage", [b"", b"\x00" * 64, None])
def test_a_damaged_checkpoint_is_replaced_by_the_one_before_with_a_warning(
    checkpoints: CheckpointStore, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints.save(state(1))
    checkpoints.save(state(2))
    content = checkpoints.newest.read_bytes()
    checkpoints.newest.write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert images(checkpoints) == 1
    assert "state.safetensors is damaged" in caplog.text
    assert "using the previous checkpoint" in caplog.text
    assert not checkpoints.newest.exists()
    checkpoints.before.write_bytes(b"x")
    assert checkpoints.load() is None
    assert "there is no other" in caplog.text


def test_a_changed_byte_anywhere_is_detected(checkpoints: CheckpointStore) -> None:
    checkpoints.save(state(1))
    checkpoints.save(state(2))
    content = bytearray(checkpoints.newest.read_bytes())
    content[-2] ^= 1
    checkpoints.newest.write_bytes(bytes(content))
    assert images(checkpoints) == 1


def test_a_crash_between_the_two_renames_leaves_the_checkpoint_before(checkpoints: CheckpointStore) -> None:
    checkpoints.save(state(1))
    checkpoints.newest.rename(checkpoints.before)
    assert checkpoints.any
    assert images(checkpoints) == 1


def test_a_full_disk_leaves_both_checkpoints_unchanged(checkpoints: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    checkpoints.save(state(1))
    checkpoints.save(state(2))
    with monkeypatch.context() as patch:
        patch.setattr("bench.core.serialization.write_atomic", full)
        with pytest.raises(OSError, match="No space"):
            checkpoints.save(state(3))
    assert images(checkpoints) == 2
    assert serialization.load(checkpoints.before)["images"] == 1


class Log:
    """Fake of the log of a run, with the numbers of all points and of points that may be sent."""

    def __init__(self, *, resumed: bool = False) -> None:
        self.position, self.sendable, self.full, self.resumed = 0, 0, False, resumed
        self.end: int | None = None

    def flush_to_disk(self) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def allow_points(self, points: int) -> None:
        self.sendable = points

    def limit_points(self, points: int) -> None:
        self.end = points


@pytest.mark.parametrize("resumed", [False, True])
def test_points_in_the_older_checkpoint_may_be_sent(checkpoints: CheckpointStore, resumed: bool) -> None:
    log = Log(resumed=resumed)
    log.position = 5 if resumed else 0
    checkpointer = Checkpointer(checkpoints, log, seconds=0.0)  # type: ignore[arg-type]
    sendable = []
    for number in (10, 20, 30):
        log.position = number
        checkpointer.save(lambda number=number: state(number))  # type: ignore[misc]
        sendable.append(log.sendable)
    assert sendable == [5 if resumed else 0, 10, 20]
    log.position = 40
    checkpointer.stop(lambda: state(40))
    assert (log.sendable, log.end) == (30, None)  # the end of the run, which follows, sends the other points
    checkpoints.newest.write_bytes(b"x")
    assert images(checkpoints) == 40  # both checkpoints are equal


@pytest.mark.parametrize("saved", [False, True])
def test_a_failed_run_sends_no_points_after_its_checkpoint(checkpoints: CheckpointStore, saved: bool) -> None:
    log = Log()
    checkpointer = Checkpointer(checkpoints, log, seconds=0.0)  # type: ignore[arg-type]
    for number in (10, 20) if saved else ():
        log.position = number
        checkpointer.save(lambda number=number: state(number))  # type: ignore[misc]
    log.position = 25
    checkpointer.fall_back()
    assert log.end == (20 if saved else 0)
    assert not checkpoints.before.exists()


def test_a_checkpoint_of_an_earlier_run_is_not_resumed(checkpoints: CheckpointStore) -> None:
    checkpoints.save(state(1))
    checkpoints.save(state(2))
    Checkpointer(checkpoints, Log(), seconds=0.0).save(lambda: state(10))  # type: ignore[arg-type]
    assert images(checkpoints) == 10
    assert not checkpoints.before.exists()


def test_no_checkpoint_is_saved_while_artifacts_are_only_in_memory(checkpoints: CheckpointStore, caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    checkpointer = Checkpointer(checkpoints, log, seconds=0.0)  # type: ignore[arg-type]
    log.full = True
    for _ in range(2):
        checkpointer.save(lambda: state(1))
    assert not checkpoints.any
    assert caplog.text.count("a checkpoint cannot be written") == 1
    log.full = False
    checkpointer.save(lambda: state(2))
    assert images(checkpoints) == 2


def test_a_checkpoint_is_due_after_the_interval_or_a_hundred_times_its_duration(
    checkpoints: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("bench.runs.checkpointing.time.monotonic", lambda: now)
    log = Log()
    checkpointer = Checkpointer(checkpoints, log, seconds=30.0)  # type: ignore[arg-type]
    assert not checkpointer.due()
    now = 130.0
    assert checkpointer.due()

    def slow() -> dict[str, object]:
        nonlocal now
        now += 2.0
        return state(1)

    def sending(points: int) -> None:
        nonlocal now
        now += 50.0  # not part of the duration of the checkpoint

    log.allow_points = sending  # type: ignore[method-assign]
    for started in (130.0, 1000.0):
        now = started
        checkpointer.save(slow)
        now = started + 2.0 + 199.0
        assert not checkpointer.due()
        now = started + 2.0 + 200.0
        assert checkpointer.due()


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "inf"])
def test_an_invalid_interval_is_refused_before_any_write(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, given)
    with pytest.raises(UserError, match=f"GANBENCH_CHECKPOINT_SECONDS takes seconds from 0 up, e.g. 30, not '{given}'"):
        interval()
    monkeypatch.setenv(VARIABLE, "0.5")
    assert interval() == 0.5
    monkeypatch.delenv(VARIABLE)
    assert interval() == SECONDS
