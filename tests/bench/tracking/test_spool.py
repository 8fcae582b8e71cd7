"""The outbox: in order, whole or not at all."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench.tracking.entry import Damaged, Entry, Refused, digest_of
from bench.tracking.spool import REFUSED, Outbox, numbers

POINTS = Entry(kind="points", run_id="r", name="dcgan seed 0", uri="http://host", body={"points": [["train/loss_d", 0.1, 1700, 10]]})
PICTURE = Entry(kind="artifact", run_id="r", name="dcgan seed 0", uri="http://host", body={"path": "grids/final.png"})
TAGS = Entry(kind="tags", run_id="r", name="dcgan seed 0", uri="http://host", body={"tags": {"status": "finished", "reason": "a\nü"}})


class Sent:
    """Takes what is sent, and refuses after `room` writes."""

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.entries: list[tuple[str, dict[str, object], tuple[str, bytes] | None]] = []

    def __call__(self, entry: Entry, file: Path | None) -> None:
        if len(self.entries) >= self.room:
            raise ConnectionError("away")
        self.entries.append((entry.kind, entry.body, (file.name, file.read_bytes()) if file else None))


def filled(folder: Path) -> Outbox:
    box = Outbox(folder)
    box.put(POINTS)
    box.put(PICTURE, b"picture")
    box.put(TAGS)
    return box


EXPECTED = [("points", POINTS.body, None), ("artifact", PICTURE.body, ("final.png", b"picture")), ("tags", TAGS.body, None)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An outbox as a run has it, in <fingerprint>/outbox/<run id>."""
    return tmp_path / "runs" / "fingerprint" / "outbox" / "r"


def test_everything_is_sent_in_order_and_nothing_stays(folder: Path, tmp_path: Path) -> None:
    box, sent = filled(folder), Sent()
    assert box.waiting == 3
    box.deliver(sent)
    assert sent.entries == EXPECTED
    assert list(folder.iterdir()) == []
    box.close()
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_does_not_arrive_stays_for_another_process(folder: Path) -> None:
    box, sent = filled(folder), Sent(room=1)
    with pytest.raises(ConnectionError):
        box.deliver(sent)
    assert box.waiting == 2
    box.put(POINTS)
    box.close()
    later, rest = Outbox(folder), Sent()
    later.deliver(rest)
    assert sent.entries + rest.entries == [*EXPECTED, EXPECTED[0]]
    later.close()
    assert not folder.exists()


def test_a_crash_after_sending_sends_it_again(folder: Path) -> None:
    box, sent = filled(folder), Sent()

    def crash(entry: Entry, file: Path | None) -> None:
        sent(entry, file)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        box.deliver(crash)
    box.deliver(sent)
    assert sent.entries == [EXPECTED[0], *EXPECTED]


@pytest.mark.parametrize("half", ["00000004", ".00000004.json-abc"])
def test_a_crash_while_writing_leaves_no_half_entry(folder: Path, half: str) -> None:
    filled(folder).close()
    if half.startswith("."):
        (folder / half).write_text('{"entry"')
    else:
        (folder / half).mkdir()
        (folder / half / "old.png").write_bytes(b"half")
    box, sent = Outbox(folder), Sent()
    box.put(PICTURE, b"another")
    box.deliver(sent)
    assert sent.entries == [*EXPECTED, ("artifact", PICTURE.body, ("final.png", b"another"))]
    box.close()
    assert not folder.exists()


def damaged(how: str, file: Path) -> Path:
    """The file that is damaged, having done it."""
    if how == "truncated":
        file.write_bytes(file.read_bytes()[:-5])
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "tampered":
        file.write_text(file.read_text().replace("finished", "diverged").replace("final", "other").replace("0.1", "0.2"))
    elif how == "no entry":
        file.write_text("[1]")
    elif how == "another shape":
        entry = {"kind": "tags"}
        file.write_text(json.dumps({"entry": entry, "sha256": digest_of(entry)}))
    elif how == "artifact changed":
        file = file.with_suffix("") / "final.png"
        file.write_bytes(b"Picture")
    elif how == "artifact gone":
        file = file.with_suffix("") / "final.png"
        file.unlink()
    return file


@pytest.mark.parametrize("how", ["truncated", "empty", "tampered", "no entry", "another shape", "artifact changed", "artifact gone"])
def test_a_damaged_entry_is_named_and_the_rest_stays(folder: Path, how: str) -> None:
    filled(folder).close()
    file = damaged(how, folder / "00000002.json")
    box, sent = Outbox(folder), Sent()
    with pytest.raises(Damaged, match="is damaged: ") as told:
        box.deliver(sent)
    assert str(told.value).startswith(f"{file} ")
    assert "\n" not in str(told.value)
    assert (sent.entries, box.waiting) == (EXPECTED[:1], 2)
    box.close()
    assert numbers(folder) == [2, 3]


def refusing(sent: Sent, kind: str) -> Callable[[Entry, Path | None], None]:
    """A store that refuses one kind of writes for good."""

    def send(entry: Entry, file: Path | None) -> None:
        if entry.kind == kind:
            raise Refused("413")
        sent(entry, file)

    return send


def test_what_is_refused_for_good_holds_nothing_up_and_is_tried_once_more_later(folder: Path) -> None:
    box, sent = filled(folder), Sent()
    box.deliver(refusing(sent, "artifact"))
    assert (sent.entries, box.waiting, box.refused) == ([EXPECTED[0], EXPECTED[2]], 0, 1)
    box.close()
    assert numbers(folder / REFUSED) == [2]
    later = Outbox(folder)
    assert (later.waiting, later.refused, later.position) == (1, 0, 3)
    later.deliver(sent)
    later.close()
    assert sent.entries[2:] == [EXPECTED[1]]
    assert not folder.exists()


def test_a_number_that_was_refused_is_not_given_again(folder: Path) -> None:
    box = filled(folder)
    box.deliver(refusing(Sent(), "tags"))
    box.close()
    later = Outbox(folder)
    later.put(POINTS)
    assert [later.waiting, later.position] == [2, 5]


def test_a_run_that_goes_back_forgets_what_was_refused_since(folder: Path) -> None:
    box = filled(folder)
    box.deliver(refusing(Sent(), "tags"))
    box.go_back(3)
    assert (box.refused, box.position) == (0, 3)


@pytest.mark.parametrize("back", [False, True])
def test_a_crash_between_the_two_moves_of_a_refused_artifact_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    box, sent, moved = filled(folder), Sent(), Path.replace
    if back:
        box.deliver(refusing(Sent(), "artifact"))
        box.put(PICTURE, b"picture")

    def crashing(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        return moved(self, target)

    monkeypatch.setattr(Path, "replace", crashing)
    with pytest.raises(KeyboardInterrupt):
        Outbox(folder) if back else box.deliver(refusing(Sent(), "artifact"))
    monkeypatch.setattr(Path, "replace", moved)
    Outbox(folder).deliver(sent)
    assert [entry for entry in sent.entries if entry[0] == "artifact"] == [EXPECTED[1]] * (2 if back else 1)


def test_a_full_disk_keeps_writes_in_memory_and_their_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    box, sent = Outbox(folder), Sent()
    box.put(POINTS)
    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.spool.write_atomic", full)
        box.put(PICTURE, b"picture")
        box.put(TAGS)
        assert (box.waiting, box.homeless) == (3, 2)
        assert caplog.text.count("No space left on device") == 1
        with pytest.raises(ConnectionError):
            box.deliver(Sent(room=0))
        box.deliver(sent)  # the store may have room where the disk has none
    assert sent.entries == EXPECTED

    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.spool.write_atomic", full)
        box.put(PICTURE, b"picture")
    box.put(TAGS)
    assert (numbers(folder), box.homeless) == ([4, 5], 0)  # those that went from memory had numbers, too
    box.deliver(sent)
    assert sent.entries == EXPECTED + EXPECTED[1:]


def test_a_try_takes_bounded_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(100))
    monkeypatch.setattr("bench.tracking.spool.time.monotonic", lambda: next(seconds))
    box, sent = filled(folder), Sent()
    box.deliver(sent, most_seconds=2)
    assert (sent.entries, box.waiting) == (EXPECTED[:1], 2)


def test_an_entry_is_plain_json(folder: Path) -> None:
    filled(folder).close()
    stored = json.loads((folder / "00000003.json").read_text())
    assert stored["entry"] == asdict(TAGS)
    assert (folder / "00000002" / "final.png").read_bytes() == b"picture"


def test_only_what_stays_waits_for_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[str] = []
    monkeypatch.setattr("bench.tracking.spool.settle", lambda file: settled.append(file.name))
    monkeypatch.setattr("bench.core.atomic_files.os.fsync", lambda _: pytest.fail("a write waited for the disk"))
    box = filled(folder)
    box.deliver(Sent())
    box.settle()
    assert settled == []
    box.put(PICTURE, b"picture")
    box.settle()
    assert settled == ["final.png", "00000004.json"]
    box.settle()
    assert len(settled) == 2
    box.close()


def bodies(sent: Sent) -> list[object]:
    return [body["points"][0][3] for kind, body, _ in sent.entries if kind == "points"]  # type: ignore[index]


def step(number: int) -> Entry:
    return replace(POINTS, body={"points": [["train/loss_d", 0.1, 1700, number]]})


def test_what_is_held_back_is_not_sent_not_even_by_another_process(folder: Path) -> None:
    box, sent = Outbox(folder), Sent()
    for number in (1, 2, 3, 4):
        box.put(step(number))
    box.hold(3)
    assert (box.position, box.waiting, box.due) == (5, 4, 2)
    box.deliver(sent)
    assert bodies(sent) == [1, 2]
    box.close()
    later = Outbox(folder)
    assert (later.waiting, later.due) == (2, 0)
    later.deliver(sent)
    assert bodies(sent) == [1, 2]
    later.hold(4)
    later.deliver(sent)
    assert bodies(sent) == [1, 2, 3]


def test_the_end_of_a_run_frees_all(folder: Path) -> None:
    box, sent = Outbox(folder), Sent()
    box.put(step(1))
    box.hold(1)
    box.put(step(2))
    box.deliver(sent)
    assert bodies(sent) == []
    box.put(replace(POINTS, kind="end", body={"status": "FINISHED", "ms": 1}))
    box.close()
    later = Outbox(folder)
    assert later.due == 3
    later.deliver(sent)
    assert bodies(sent) == [1, 2]
    assert sent.entries[-1][0] == "end"


def test_who_goes_back_writes_again_what_was_held_and_nothing_twice(folder: Path) -> None:
    box, sent = Outbox(folder), Sent()
    for number in (1, 2):
        box.put(step(number))
    position = box.position
    box.hold(2)
    for number in (3, 4):
        box.put(step(number))
    box.deliver(sent)
    box.close()
    again = Outbox(folder)
    again.go_back(position)
    assert (again.position, again.waiting, again.due) == (3, 1, 0)
    for number in (3, 4, 5):
        again.put(step(number))
    again.deliver(sent)
    assert bodies(sent) == [1]
    again.hold(again.position)
    again.deliver(sent)
    assert bodies(sent) == [1, 2, 3, 4, 5]


def test_who_goes_back_where_all_was_sent_holds_from_there(folder: Path) -> None:
    box, sent = Outbox(folder), Sent()
    box.go_back(7)
    box.put(step(7))
    box.deliver(sent)
    assert (bodies(sent), box.position, numbers(folder)) == ([], 8, [7])


def test_what_is_held_can_be_forgotten(folder: Path) -> None:
    box, sent = Outbox(folder), Sent()
    box.put(step(1))
    box.hold(2)
    box.put(PICTURE, b"picture")
    box.forget_held()
    box.deliver(sent)
    assert bodies(sent) == [1]
    box.close()
    assert not folder.exists()


@pytest.mark.parametrize("content", [b"", b"x", b"-1"])
def test_an_unreadable_mark_holds_all_back(folder: Path, content: bytes) -> None:
    box = Outbox(folder)
    box.put(step(1))
    box.hold(2)
    box.close()
    (folder / "held").write_bytes(content)
    assert Outbox(folder).due == 0
