"""Deliveries, messages and exit status of `ganbench sync`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from real_runs import pending

from bench.runs.lock import FILE, run_lock
from bench.tracking.client import Tracker

Ganbench = Callable[..., tuple[int, str, str]]


def pending_journal(uri: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the journal in ./runs of a finished run with three pending writes."""

    def away(*_: object) -> None:
        raise ConnectionError("away")

    folder = Path.cwd() / "runs" / "small" / f"fingerprint{seed}"
    tags = {"kind": "run", "variant": "dcgan", "seed": str(seed)}
    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.delivery.send", away)
        log = Tracker(uri, "small").start_run("r", tags, {}, folder=folder)
        log.finish("finished")
    return folder / f"end-{log.run_id}.json"


def test_no_pending_writes(ganbench: Ganbench) -> None:
    assert ganbench("sync")[:2] == (0, "no pending writes in runs\n")


def test_all_pending_writes_are_delivered(
    ganbench: Ganbench, uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journals = [pending_journal(uri, seed, monkeypatch) for seed in (0, 1)]
    assert f"3 writes of dcgan seed 0 are pending in {journals[0].relative_to(Path.cwd())}: run `ganbench sync`" in caplog.text
    status, out, _ = ganbench("sync")
    assert (status, out.splitlines()) == (
        0,
        ["dcgan seed 0: 3 writes delivered", "dcgan seed 1: 3 writes delivered", "6 writes of 2 runs delivered"],
    )
    found = Tracker(uri, "small").client.get_run(journals[0].stem.removeprefix("end-"))
    assert (found.data.tags["status"], found.info.status) == ("finished", "FINISHED")
    assert ganbench("sync")[:2] == (0, "no pending writes in runs\n")
    assert pending(Path.cwd() / "runs") == []


def test_a_damaged_journal_is_named_and_the_others_arrive(ganbench: Ganbench, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = pending_journal(uri, 0, monkeypatch)
    pending_journal(uri, 1, monkeypatch)
    broken.write_bytes(broken.read_bytes()[:20])
    status, out, _ = ganbench("sync")
    first, second, last = out.splitlines()
    assert status == 1
    assert f"{broken} is damaged: " in first
    assert (second, last) == ("dcgan seed 1: 3 writes delivered", "3 writes of 1 run delivered, 1 write still pending")


@pytest.mark.slow
def test_a_journal_in_use_stays(ganbench: Ganbench, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = pending_journal(uri, 0, monkeypatch)
    with run_lock([journal.parent / FILE], give_up=lambda: True):
        status, out, _ = ganbench("sync")
    assert status == 0
    assert out.splitlines()[0].startswith(f"{journal.parent}: another process holds the run lock")


def test_mistakes_are_one_line_and_lose_nothing(ganbench: Ganbench, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = pending_journal(uri, 0, monkeypatch).parents[2]
    before = sorted(runs.rglob("*"))
    cases = [("http://127.0.0.1:9", ("sync",), f"the pending writes in runs are meant for {uri}: set MLFLOW_TRACKING_URI")]
    cases.append((uri, ("sync", "--runs-dir", "rums"), "there is no folder 'rums'; did you mean 'runs'?"))
    for store, words, message in cases:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
        status, out, err = ganbench(*words)
        assert (status, out) == (2, "")
        assert len(err.splitlines()) == 1
        assert message in err
    assert sorted(runs.rglob("*")) == before


def test_a_server_that_still_does_not_answer_is_one_line(ganbench: Ganbench, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = pending_journal(uri, 0, monkeypatch)
    (Path(uri.removeprefix("sqlite:///"))).rename("away.db")
    status, _, err = ganbench("sync")
    assert (status, len(err.splitlines())) == (2, 1)
    assert journal.exists()
    (Path.cwd() / "away.db").rename(uri.removeprefix("sqlite:///"))
    assert ganbench("sync")[0] == 0
