"""`ganbench sync`: what it says, and its exit status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.runs.lock import FILE, run_lock
from bench.tracking.client import Tracker
from bench.tracking.delivery import Posted

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ganbench(command: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str) -> Call:
    """The command, in an empty folder."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return command


def waiting(uri: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of which three writes wait in ./runs; its outbox."""
    run = Tracker(uri, "small").start_run("r", {"kind": "run", "variant": "dcgan", "seed": str(seed)}, {})

    def away(*_: object) -> None:
        raise ConnectionError("away")

    folder = Path.cwd() / "runs" / "small" / f"fingerprint{seed}" / "outbox"
    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.delivery.send", away)
        posted = Posted(Tracker(uri, "small").client, run.run_id, name=f"dcgan seed {seed}", folder=folder)
        posted.put("tags", {"tags": {"status": "finished"}})
        posted.put("artifact", {"path": "a.txt"}, b"text")
        posted.put("end", {"status": "FINISHED", "ms": 1700000000000})
        posted.close()
    return folder / run.run_id


def test_nothing_waits(ganbench: Call) -> None:
    assert ganbench("sync")[:2] == (0, "nothing waits in runs\n")


def test_all_that_waits_is_delivered(ganbench: Call, uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    outboxes = [waiting(uri, seed, monkeypatch) for seed in (0, 1)]
    assert f"3 writes of dcgan seed 0 wait in {outboxes[0].relative_to(Path.cwd())}: `ganbench sync` when" in caplog.text
    status, out, _ = ganbench("sync")
    assert (status, out.splitlines()) == (
        0,
        ["dcgan seed 0: 3 writes delivered", "dcgan seed 1: 3 writes delivered", "6 writes of 2 runs delivered"],
    )
    info = Tracker(uri, "small").client.get_run(outboxes[0].name)
    assert (info.data.tags["status"], info.info.end_time) == ("finished", 1700000000000)
    assert ganbench("sync")[:2] == (0, "nothing waits in runs\n")
    assert list((Path.cwd() / "runs" / "small").iterdir()) == []


def test_a_damaged_entry_is_named_and_the_others_arrive(ganbench: Call, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = waiting(uri, 0, monkeypatch) / "00000002.json"
    waiting(uri, 1, monkeypatch)
    broken.write_bytes(broken.read_bytes()[:20])
    status, out, _ = ganbench("sync")
    first, second, last = out.splitlines()
    assert status == 1
    assert first.startswith(f"dcgan seed 0: 1 write delivered; 2 writes stay: {broken} is damaged: ")
    assert (second, last) == ("dcgan seed 1: 3 writes delivered", "4 writes of 2 runs delivered, 2 writes still wait")


def test_an_outbox_in_use_is_left(ganbench: Call, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = waiting(uri, 0, monkeypatch)
    with run_lock([outbox.parent.parent / FILE], give_up=lambda: True):
        status, out, _ = ganbench("sync")
    assert status == 0
    assert out.splitlines()[0] == f"{outbox}: in use by another process, its run or another sync: left to it"


def test_mistakes_are_one_line_and_lose_nothing(ganbench: Call, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = waiting(uri, 0, monkeypatch)
    before = sorted(outbox.rglob("*"))
    cases = [("http://127.0.0.1:9", ("sync",), f"what waits in runs is meant for {uri}: set MLFLOW_TRACKING_URI")]
    cases.append((uri, ("sync", "--runs-dir", "rums"), "there is no folder 'rums'; did you mean 'runs'?"))
    for store, words, message in cases:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
        status, out, err = ganbench(*words)
        assert (status, out) == (2, "")
        assert len(err.splitlines()) == 1
        assert message in err
    assert sorted(outbox.rglob("*")) == before


def test_a_server_that_is_still_away_is_one_line(ganbench: Call, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = waiting(uri, 0, monkeypatch)
    (Path(uri.removeprefix("sqlite:///"))).rename("away.db")
    status, _, err = ganbench("sync")
    assert (status, len(err.splitlines())) == (2, 1)
    assert len(list(outbox.glob("*.json"))) == 3
    (Path.cwd() / "away.db").rename(uri.removeprefix("sqlite:///"))
    assert ganbench("sync")[0] == 0
