"""Whatever becomes of the small files of a run: of what waits for the store only what is whole is sent, and nothing ends a process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from damage import at_every_size, damaged, fuzz, mistake
from hypothesis import given
from hypothesis import strategies as st

from bench.runs import lock as claim
from bench.tracking.entry import Damaged, Entry
from bench.tracking.spool import HELD, Outbox

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(["__tensor__", "__items__"]), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


def entries() -> list[tuple[Entry, bytes | None]]:
    """Writes of a run, of every kind."""

    def entry(kind: Any, body: dict[str, Any]) -> Entry:
        return Entry(kind=kind, run_id="r", name="dcgan seed 0", uri="http://host", body=body)

    return [
        (entry("points", {"points": [["train/loss_d", 0.25, 5, 10]]}), None),
        (entry("tags", {"tags": {"a": "b"}}), None),
        (entry("artifact", {"path": "grids/final.png"}), b"picture"),
        (entry("points", {"points": [["train/loss_d", 0.5, 6, 20]]}), None),
        (entry("artifact", {"path": "curves.parquet"}), b"curves"),
        (entry("tags", {"tags": {"status": "x"}}), None),
    ]


WRITES = len(entries())
HOLD = 5


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outbox in which all waits, the last two writes held back."""
    folder = tmp_path_factory.mktemp("outbox") / "r"
    box = Outbox(folder)
    for entry, content in entries():
        box.put(entry, content)
    box.hold(HOLD)
    box.close()
    return folder


def read(entry: Entry, file: Path | None) -> tuple[str, str, bytes]:
    """A write as the store gets it."""
    return entry.kind, json.dumps(entry.body, sort_keys=True), file.read_bytes() if file else b""


WANTED = [(entry.kind, json.dumps(entry.body, sort_keys=True), content or b"") for entry, content in entries()]
STRANGE = ["²", "٣", "00000099", "0", "x", "00000001x", "9" * 400, "-1", "00000000", "1e3"]


@st.composite
def damages(draw: st.DrawFn, files: dict[str, bytes]) -> dict[str, bytes | None]:
    """Some files of a folder, damaged or gone, and some that nobody wrote."""
    found: dict[str, bytes | None] = {}
    for name in draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=3, unique=True)):
        found[name] = draw(st.none() | damaged(files[name]))
    for name in draw(st.lists(st.sampled_from(STRANGE), max_size=2)):
        whole = st.nothing() if name == "00000099" else st.just(files["00000001.json"])
        found[f"{name[:100]}.json"] = draw(st.binary(max_size=20) | whole)
    return found


@at_every_size
def test_of_a_damaged_outbox_the_whole_beginning_is_sent_and_nothing_else(examples: int, waiting: Path, tmp_path: Path) -> None:
    files = {str(path.relative_to(waiting)): path.read_bytes() for path in waiting.rglob("*") if path.is_file()}
    folder = tmp_path / "outbox" / "r"

    @fuzz(examples)
    @given(changes=damages(files))
    def check(changes: dict[str, bytes | None]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(waiting, folder)
        for name, content in changes.items():
            (folder / name).unlink(missing_ok=True)
            if content is not None:
                (folder / name).write_bytes(content)
        sent: list[tuple[str, str, bytes]] = []
        box = Outbox(folder)
        count = box.waiting
        mistake(lambda: box.deliver(lambda entry, file: sent.append(read(entry, file))), Damaged)
        assert box.waiting == count - len(sent)
        box.close()
        lost = {int(name[:8]) for name, content in changes.items() if content is None and name.endswith(".json")}
        there = [write for number, write in enumerate(WANTED, 1) if number not in lost]
        if HELD in changes and changes[HELD] is None:
            assert sent == there[: len(sent)]  # nothing says any more that something is held
        else:
            assert sent == [write for number, write in enumerate(WANTED[: HOLD - 1], 1) if number not in lost][: len(sent)]
        again = Outbox(folder)
        again.go_back(1)
        again.close()

    check()


@at_every_size
def test_a_mark_of_what_is_held_is_right_or_holds_all(examples: int, tmp_path: Path) -> None:
    @fuzz(examples)
    @given(position=st.integers(1, 10**6), data=st.data())
    def check(position: int, data: st.DataObject) -> None:
        folder = tmp_path / "outbox" / "r"
        shutil.rmtree(folder, ignore_errors=True)
        box = Outbox(folder)
        try:
            box.hold(position)
            written = (folder / HELD).read_bytes()
            (folder / HELD).write_bytes(data.draw(damaged(written)))
            assert box._held_on_disk() in (0, position)
        finally:
            box.close()

    check()


# Markers of run locks


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"LEASE_SECONDS": 0.05, "HEARTBEAT_SECONDS": 0.01, "POLL_SECONDS": 0.001}.items():
        monkeypatch.setattr(claim, name, seconds)
    monkeypatch.setattr("filelock._soft.MALFORMED_LOCK_AGE_THRESHOLD", 0.0)


MARKER = b"filelock/2\npid=4711\nhost=elsewhere\nmode=lease\ntoken=0123456789abcdef\nduration=0.05\nstart=3\n"
NUMBERS = st.sampled_from(["inf", "nan", "1e400", "9" * 5000, "", "-1", "0", "true", "1.5", "0.05"])
MARKERS = st.builds(
    "filelock/2\npid={}\nhost={}\nmode={}\ntoken=t\nduration={}\n".format,
    NUMBERS, st.sampled_from(["h", "a\x1b", "\\u202e"]), st.sampled_from(["lease", "exclusive", "other"]), NUMBERS,
)  # fmt: skip


@at_every_size
@pytest.mark.usefixtures("_no_waiting")
def test_any_marker_is_taken_over_or_left_in_one_line(examples: int, tmp_path: Path) -> None:
    @fuzz(examples)
    @given(content=damaged(MARKER) | MARKERS.map(str.encode) | st.sampled_from([b"[" * 100_000]))
    def check(content: bytes) -> None:
        file = tmp_path / "run" / claim.FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        try:
            with claim.run_lock([file], give_up=lambda: True, wait_seconds=0.2) as lock:
                lock.check()
            assert not file.parent.exists()
        except claim.RunLocked as error:
            told = str(error)
            file.unlink()
        else:
            told = ""
        assert told.isprintable()

    check()
