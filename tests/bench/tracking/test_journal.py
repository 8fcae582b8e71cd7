"""The journal. It is saved as a whole or not at all, and acknowledged writes are not sent again."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.tracking.journal import BATCH, DamagedJournal, End, RunJournal, Write, digest_of

POINTS = [(10, 1.0, "train/loss_d", 0.1 + 0.2, 1700), (10, 1.0, "train/loss_g", math.nan, 1700), (20, 2.0, "train/loss_d", 2.5, 1800)]
SENT = [["train/loss_d", 0.1 + 0.2, 1700, 10], ["train/loss_d", 2.5, 1800, 20]]
WANTED: list[tuple[str, Any, bytes | None]] = [
    ("points", SENT, None), ("artifact", "grids/final.png", b"picture"), ("tags", {"status": "finished", "reason": "a\nü"}, None), ("end", 7, None),
]  # fmt: skip


def filled(folder: Path | None, *, ended: bool = True) -> RunJournal:
    journal = RunJournal(folder=folder, run_id="r", name="dcgan seed 0", store="http://host")
    journal.points += POINTS
    journal.artifact("grids/final.png", b"picture")
    journal.tags |= {"status": "finished", "reason": "a\nü"}
    journal.end = End(status="finished", ms=7) if ended else None
    return journal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a run."""
    return tmp_path / "runs" / "small" / "fingerprint"


def read(journal: RunJournal, write: Write) -> tuple[str, Any, bytes | None]:
    """Return a write as the store gets it, or raise DamagedJournal."""
    value = write.body[{"points": "points", "artifact": "path", "tags": "tags", "end": "ms"}[write.kind]]
    with journal.artifact_file(write) as file:
        assert file is None or file.name == Path(write.body["path"]).name
        return write.kind, value, file.read_bytes() if file else None


def delivered(
    journal: RunJournal, points: int = 10**6, refuse: Callable[[Write], bool] = lambda _: False
) -> list[tuple[str, Any, bytes | None]]:
    """Return the writes that a store gets if it refuses some of them."""
    sent = []
    while (write := journal.next_write(points)) is not None:
        if refuse(write):
            journal.refuse(write)
            continue
        sent.append(read(journal, write))
        journal.acknowledge(write)
    return sent


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_everything_is_sent_and_no_file_remains(folder: Path) -> None:
    journal = filled(folder)
    journal.save()
    assert journal.pending == 4
    assert delivered(journal) == WANTED
    journal.close()
    assert list(folder.iterdir()) == []


def test_another_process_reads_the_pending_writes(folder: Path) -> None:
    journal = filled(folder)
    journal.save()
    for _ in range(2):
        journal.acknowledge(journal.next_write(3) or pytest.fail("the journal has no next write"))
    journal.close()
    later = RunJournal.read(journal.file)
    assert (later.pending, later.end, later.store) == (2, journal.end, "http://host")
    assert delivered(later) == WANTED[2:]
    later.close()
    assert list(folder.iterdir()) == []


def test_a_crash_before_the_acknowledgement_sends_the_write_again(folder: Path) -> None:
    journal = filled(folder)
    journal.save()
    assert delivered(journal) == WANTED
    assert delivered(RunJournal.read(journal.file)) == WANTED


def test_only_the_first_points_are_sent_while_a_run_trains(folder: Path) -> None:
    journal = filled(folder, ended=False)
    assert [write[0] for write in delivered(journal, points=0)] == ["artifact", "tags"]
    assert delivered(journal, points=2) == [("points", SENT[:1], None)]
    assert delivered(journal, points=2) == []
    assert delivered(journal, points=3) == [("points", SENT[1:], None)]


def test_more_points_than_fit_in_one_call() -> None:
    journal = RunJournal(run_id="r")
    journal.points += [(step, 0.0, "train/loss_d", math.nan if step % 2 else 1.0, 0) for step in range(4 * BATCH)]
    assert journal.pending == 2
    batches = [value for _, value, _ in delivered(journal)]
    assert [len(batch) for batch in batches] == [BATCH, BATCH]
    assert [point[3] for batch in batches for point in batch] == list(range(0, 4 * BATCH, 2))


@pytest.mark.parametrize("kind", ["points", "artifact", "tags", "end"])
def test_a_refused_write_blocks_nothing_and_the_next_process_retries_it(folder: Path, kind: str) -> None:
    journal = filled(folder)
    assert delivered(journal, refuse=lambda write: write.kind == kind) == [write for write in WANTED if write[0] != kind]
    assert (journal.refused, journal.pending, journal.next_write(3)) == (1, 1, None)
    journal.close()
    assert len(json.loads(journal.file.read_bytes())["journal"]["refused"]) == 1
    later = RunJournal.read(journal.file)
    assert (later.pending, delivered(later)) == (1, [write for write in WANTED if write[0] == kind])
    later.close()
    assert list(folder.iterdir()) == []


def test_a_resumed_run_has_the_journal_of_its_checkpoint(folder: Path) -> None:
    before = filled(folder, ended=False)
    delivered(before, points=2)
    before.artifact("grids/step.png", b"step")
    state = json.loads(json.dumps(before.state_dict()))
    delivered(before, points=3)
    before.artifact("grids/step.png", b"step")
    resumed = RunJournal(folder=folder, run_id="r")
    resumed.restore(state, resumed=True)
    assert repr(resumed.points) == repr(POINTS)
    assert delivered(resumed) == [("points", SENT[1:], None), ("artifact", "grids/step.png", b"step")]


def test_artifacts_acknowledged_after_the_checkpoint_are_not_missing(folder: Path) -> None:
    before = filled(folder, ended=False)
    state = before.state_dict()
    delivered(before)
    resumed = RunJournal(folder=folder, run_id="r")
    resumed.restore(state, resumed=True)
    assert "artifact" not in [write[0] for write in delivered(resumed)]


def test_a_new_run_in_the_store_gets_the_whole_curve(folder: Path) -> None:
    before = filled(folder, ended=False)
    delivered(before)
    new = RunJournal(folder=folder, run_id="new")
    new.restore(before.state_dict(), resumed=False)
    assert delivered(new) == [("points", SENT, None)]


def test_the_checkpoint_of_an_earlier_version_has_its_points_acknowledged(folder: Path) -> None:
    resumed = RunJournal(folder=folder, run_id="r")
    state = {"run_id": "r", "points": [[10, 1.0, "train/loss_d", 0.5]], "seconds": 0.1, "position": 3}
    resumed.restore(state, resumed=True)
    assert [point[:4] for point in resumed.points] == [(10, 1.0, "train/loss_d", 0.5)]
    assert delivered(resumed) == []
    new = RunJournal(folder=folder, run_id="new")
    new.restore(state, resumed=False)
    assert len(delivered(new)) == 1


def test_a_resumed_run_keeps_the_artifacts_of_its_end_but_not_the_end(folder: Path) -> None:
    journal = filled(folder)
    journal.save()
    resumed = RunJournal(folder=folder, run_id="r")
    resumed.supersede()
    assert delivered(resumed) == [WANTED[1]]
    assert not journal.file.exists()
    RunJournal(folder=folder, run_id="other").supersede()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:-5]),
    "empty": lambda file: file.write_bytes(b""),
    "tampered": lambda file: file.write_text(file.read_text().replace("2.5", "2.6")),
    "no journal": lambda file: file.write_text("[1]"),
    "deep": lambda file: file.write_text("[" * 200_000),
    "another shape": lambda file: file.write_text(json.dumps({"journal": {"run_id": 3}, "sha256": digest_of({"run_id": 3})})),
    "another run": lambda file: file.write_text(json.dumps({"journal": {"run_id": "x"}, "sha256": digest_of({"run_id": "x"})})),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_journal_is_named(folder: Path, how: str) -> None:
    journal = filled(folder)
    journal.save()
    DAMAGES[how](journal.file)
    with pytest.raises(DamagedJournal) as error:
        RunJournal.read(journal.file)
    assert str(error.value).startswith(f"{journal.file} is damaged: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"Picture", None])
def test_a_damaged_artifact_is_never_sent(folder: Path, content: bytes | None) -> None:
    journal = filled(folder)
    journal.save()
    file = folder / "artifacts" / "r" / "grids" / "final.png"
    file.unlink()
    if content:
        file.write_bytes(content)
    later = RunJournal.read(journal.file)
    later.acknowledge(later.next_write(3) or pytest.fail("the journal has no next write"))
    with pytest.raises(DamagedJournal, match="is damaged"):
        read(later, later.next_write(3) or pytest.fail("the journal has no next write"))


def test_a_full_disk_keeps_everything_in_memory_with_one_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.journal.write_atomic", full)
        journal = filled(folder)
        journal.artifact("curves.parquet", b"curves")
        with pytest.raises(OSError, match="only in memory"):
            journal.flush_to_disk()
        with pytest.raises(OSError, match="only in memory"):
            journal.save()
        assert caplog.text.count("cannot be written") == 1
        assert delivered(journal) == [*WANTED[:2], ("artifact", "curves.parquet", b"curves"), *WANTED[2:]]  # sent from memory
        journal.close()
    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.journal.write_atomic", full)
        journal = filled(folder)
    journal.save()  # the disk has space again
    assert delivered(RunJournal.read(journal.file)) == WANTED
