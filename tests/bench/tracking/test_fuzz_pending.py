"""Fuzzing of journals and lock markers. Only intact writes are sent, and no damage stops a process."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from damage import at_every_size, damaged, fuzz, mistake
from hypothesis import given
from hypothesis import strategies as st

from bench.runs import lock
from bench.tracking.journal import DamagedJournal, End, RunJournal, digest_of

FILES = {"grids/final.png": b"picture", "curves.parquet": b"curves"}


@pytest.fixture(scope="module")
def pending_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run with the journal of its end, whose writes are all pending."""
    folder = tmp_path_factory.mktemp("run")
    journal = RunJournal(folder=folder, run_id="r", name="dcgan seed 0", store="http://host")
    journal.points += [(10, 1.0, "train/loss_d", 0.25, 5), (10, 1.0, "train/loss_g", math.nan, 5), (20, 2.0, "train/loss_d", 0.5, 6)]
    for path, content in FILES.items():
        journal.artifact(path, content)
    journal.tags |= {"status": "finished"}
    journal.end = End(status="finished", ms=7)
    journal.save()
    return folder


def deliver(journal: RunJournal) -> list[tuple[str, bytes]]:
    """Return the writes that a store gets, as text. Damaged artifacts are set aside."""
    sent = []
    while (write := journal.next_write(len(journal.points))) is not None:
        try:
            with journal.artifact_file(write) as file:
                sent.append((json.dumps(write.body, sort_keys=True), file.read_bytes() if file else b""))
        except DamagedJournal:
            journal.refuse(write)
        else:
            journal.acknowledge(write)
    return sent


@st.composite
def damages(draw: st.DrawFn, files: dict[str, bytes]) -> dict[str, bytes | None]:
    """Draw damaged or missing files of a folder."""
    names = draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=3, unique=True))
    return {name: draw(st.none() | damaged(files[name])) for name in names}


@at_every_size
def test_only_the_intact_writes_of_a_damaged_journal_are_sent_and_none_is_lost(examples: int, pending_run: Path, tmp_path: Path) -> None:
    files = {str(path.relative_to(pending_run)): path.read_bytes() for path in pending_run.rglob("*") if path.is_file()}
    wanted = deliver(RunJournal.read(pending_run / "end-r.json"))
    assert len(wanted) == 5
    folder = tmp_path / "run"

    @fuzz(examples)
    @given(changes=damages(files))
    def check(changes: dict[str, bytes | None]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(pending_run, folder)
        for name, content in changes.items():
            (folder / name).unlink(missing_ok=True)
            if content is not None:
                (folder / name).write_bytes(content)
        broken = [path for path in FILES if f"artifacts/r/{path}" in changes and changes[f"artifacts/r/{path}"] != FILES[path]]
        journal: RunJournal | None = None

        def read() -> None:
            nonlocal journal
            journal = RunJournal.read(folder / "end-r.json")

        if mistake(read, DamagedJournal) or journal is None:
            assert "end-r.json" in changes
            return
        assert deliver(journal) == [write for write in wanted if not any(path in write[0] for path in broken)]
        journal.close()
        assert (folder / "end-r.json").exists() == bool(broken)
        for path in broken:
            (folder / "artifacts" / "r" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "artifacts" / "r" / path).write_bytes(FILES[path])
        if broken:  # restored artifacts arrive
            assert deliver(RunJournal.read(folder / "end-r.json")) == [
                write for write in wanted if any(path in write[0] for path in broken)
            ]

    check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip
PARTS = ("run_id", "name", "store", "points", "acknowledged", "artifacts", "tags", "end", "end_acknowledged", "refused")


@at_every_size
def test_an_intact_file_that_is_not_a_journal_is_refused_or_harmless(examples: int, pending_run: Path, tmp_path: Path) -> None:
    """A file with correct hashes and wrong content is refused, or its writes are harmless."""
    whole = json.loads((pending_run / "end-r.json").read_bytes())["journal"]

    @fuzz(examples)
    @given(part=st.sampled_from(PARTS), value=JSON)
    def check(part: str, value: object) -> None:
        state = {**whole, part: value}
        (tmp_path / "end-r.json").write_text(json.dumps({"journal": state, "sha256": digest_of(state)}))

        def read() -> None:
            deliver(RunJournal.read(tmp_path / "end-r.json"))

        mistake(read, DamagedJournal)

    check()


# Markers of run locks.


@pytest.fixture
def _short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"LEASE_SECONDS": 0.05, "HEARTBEAT_SECONDS": 0.01, "POLL_SECONDS": 0.001}.items():
        monkeypatch.setattr(lock, name, seconds)
    monkeypatch.setattr("filelock._soft.MALFORMED_LOCK_AGE_THRESHOLD", 0.0)


MARKER = b"filelock/2\npid=4711\nhost=elsewhere\nmode=lease\ntoken=0123456789abcdef\nduration=0.05\nstart=3\n"
NUMBERS = st.sampled_from(["inf", "nan", "1e400", "9" * 5000, "", "-1", "0", "true", "1.5", "0.05"])
MARKERS = st.builds(
    "filelock/2\npid={}\nhost={}\nmode={}\ntoken=t\nduration={}\n".format,
    NUMBERS, st.sampled_from(["h", "a\x1b", "\\u202e"]), st.sampled_from(["lease", "exclusive", "other"]), NUMBERS,
)  # fmt: skip


@at_every_size
@pytest.mark.usefixtures("_short_lease")
def test_any_marker_is_taken_over_or_refused_in_one_line(examples: int, tmp_path: Path) -> None:
    @fuzz(examples)
    @given(content=damaged(MARKER) | MARKERS.map(str.encode) | st.sampled_from([b"[" * 100_000]))
    def check(content: bytes) -> None:
        file = tmp_path / "run" / lock.FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        try:
            with lock.run_lock([file], give_up=lambda: True, wait_seconds=0.2) as run_lock:
                run_lock.check()
            assert not file.parent.exists()
        except lock.RunLocked as error:
            message = str(error)
            file.unlink()
        else:
            message = ""
        assert message.isprintable()

    check()
