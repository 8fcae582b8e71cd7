"""Options of `ganbench report`, and the files that it writes."""

from __future__ import annotations

import csv
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import small
from serving import end, free_port, serving

from bench.core.text import harmless
from bench.tracking.attachments import DESCRIPTION, REPORT
from bench.tracking.client import Tracker

Ganbench = Callable[..., tuple[int, str, str]]
FID = "quality/fid_classifier"


@pytest.fixture(scope="module")
def original(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return the folder of a store with three runs of each of two variants in the suite `small`, and the ids of the runs."""
    folder = tmp_path_factory.mktemp("original")
    shutil.copy(migrated_store, folder / "mlflow.db")
    uri, ids = f"sqlite:///{folder}/mlflow.db", []
    for variant, fids in {"dcgan": (10.0, 11.0, 12.0), "wgan": (20.0, 21.0, 22.0)}.items():
        for seed, fid in enumerate(fids):
            tags = {"kind": "run", "suite": "small", "variant": variant, "dataset": "digits", "seed": str(seed), "protocol": "p"}
            log = Tracker(uri, "small").start_run("r", {**tags, "track": "published"}, {"budget.images": 1000, "recipe.lr_g": 0.1})
            log.points({FID: fid}, images=1000, train_seconds=1.0)
            log.json("protocol.json", {"metrics": {FID: "h"}, "all": "p"})
            log.finish("finished")
            ids.append(log.run_id)
    return folder, ids


@pytest.fixture
def recorded(original: tuple[Path, list[str]], uri: str, tmp_path: Path) -> list[str]:
    """Copy these runs into the default store, and return their ids."""
    small.copy(original[0], tmp_path)
    return original[1]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_csv_latex_and_only_compose(ganbench: Ganbench, recorded: list[str]) -> None:
    status, out, err = ganbench("report", "--only", "dc*", "--csv", "tidy", "--latex", "t/table.tex", "--out", "page")
    assert (status, err) == (0, "")
    assert "wgan" not in out
    assert {"tidy/runs.csv", "tidy/about.json", "t/table.tex", "page/index.html", "page/report.md"} <= files(Path())
    with Path("tidy/runs.csv").open(newline="") as file:
        assert {row["run_id"] for row in csv.DictReader(file)} == set(recorded[:3])
    assert "dcgan &" in Path("t/table.tex").read_text()
    assert "wgan" not in Path("page/report.md").read_text()


def test_check_compares_a_store_with_published_results(ganbench: Ganbench, recorded: list[str]) -> None:
    assert ganbench("report", "--suite", "small", "--csv", "published")[0] == 0
    before = files(Path())
    status, out, _ = ganbench("report", "--suite", "small", "--check", "published")
    assert status == 0
    assert "2 of 2 variants of the baseline agree." in out
    assert files(Path()) == before  # without --out, `ganbench report` writes no report
    status, out, _ = ganbench("report", "--check", "published", "--out", "page")
    assert (status, Path("page/index.html").exists()) == (0, True)
    table = Path("published/runs.csv")
    table.write_text(table.read_text().replace(",10.0,", ",15.0,").replace(",11.0,", ",16.5,").replace(",12.0,", ",18.0,"))
    status, out, _ = ganbench("report", "--check", "published", "--csv", "mine")
    assert status == 1
    assert "1 of 2 variants of the baseline agrees; dcgan differs." in out
    assert Path("mine/runs.csv").exists()
    status, out, _ = ganbench("report", "--check", "published", "--only", "wgan")
    assert status == 0
    assert "1 of 1 variant of the baseline agrees." in out


def test_runs_by_their_first_digits(ganbench: Ganbench, recorded: list[str]) -> None:
    status, out, _ = ganbench("report", "--runs", recorded[0][:12], "--runs", recorded[4], "--out", "page")
    assert status == 0
    assert out.count("1/1 finished") == 2


def record(uri: str, suite: str, **tags: str) -> str:
    """Record a finished run of a suite, and return its id."""
    own = {
        "kind": "run",
        "suite": suite,
        "variant": "dcgan",
        "dataset": "digits",
        "seed": "0",
        "protocol": "p",
        "track": "published",
        **tags,
    }
    log = Tracker(uri, suite).start_run("r", own, {"budget.images": 1000})
    log.points({FID: 10.0}, images=1000, train_seconds=1.0)
    log.json("protocol.json", {"metrics": {FID: "h"}, "all": "p"})
    log.finish("finished")
    return log.run_id


def test_several_suites_in_one_page_and_the_reason_for_separate_tables(ganbench: Ganbench, recorded: list[str], uri: str) -> None:
    record(uri, "points", dataset="ring8")
    status, _, err = ganbench("report", "--suite", "small", "--suite", "points")
    assert (status, err) == (0, "")
    page = Path("build/report/points-small/report.md").read_text()
    assert page.startswith("# GAN benchmark: points and small\n")
    assert page.count("digits and ring8 are different data") == 1
    before = Path("build/report/points-small/index.html").read_bytes()
    assert ganbench("report", "--suite", "points", "--suite", "small")[0] == 0
    assert Path("build/report/points-small/index.html").read_bytes() == before


@pytest.mark.slow
def test_a_glob_of_suites_and_runs_of_several(ganbench: Ganbench, recorded: list[str], uri: str) -> None:
    ids = [record(uri, name) for name in ("quick", "quick-a", "quick-b", "quick-c")]
    assert ganbench("report", "--suite", "quick*")[0] == 0
    assert (
        Path("build/report/quick-quick-a-quick-b-and-1-more/report.md")
        .read_text()
        .startswith("# GAN benchmark: quick, quick-a, quick-b and 1 more suite\n")
    )
    status, out, _ = ganbench("report", "--runs", ids[0], "--runs", recorded[3])
    assert status == 0
    assert Path("build/report/quick-small/index.html").exists()
    assert "dcgan" in out
    assert "wgan" in out
    status, out, err = ganbench("report", "--suite", "quikc*")
    assert (status, out) == (2, "")
    assert "no results of a suite like 'quikc*'; did you mean 'quick'" in err


@pytest.mark.slow
def test_hostile_suites_are_a_plain_folder_and_a_plain_title(ganbench: Ganbench, uri: str) -> None:
    names = ["../../up", "a/b <script>", "x" * 200, "$m$ \u202e"]
    for name in names:
        record(uri, name)
    record(uri, "colours", variant="dc\x1b[2Jgan", dataset="di\u202egits", track="\x9b2J")
    status, out, _ = ganbench("report")
    assert status == 0
    assert "dc\ufffd[2Jgan" in out
    assert "di\ufffdgits" in out
    assert harmless(out) == out
    (folder,) = Path("build/report").iterdir()
    assert re.fullmatch(r"[\w.-]{1,200}", folder.name)
    assert not folder.name.startswith(".")
    assert (folder / "index.html").read_text().count("<script>") == 1
    assert ganbench("report", "--suite", names[0])[0] == 0
    assert files(Path()) == {str(path) for path in Path("build/report").rglob("*") if path.is_file()}


def test_a_suite_without_runs_and_a_store_of_another_program(ganbench: Ganbench, uri: str) -> None:
    client = Tracker(uri, "notes").client
    client.create_run(client.get_experiment_by_name("notes").experiment_id)
    for words, where in ((["--suite", "notes"], "'notes'"), ([], "any experiment")):
        status, out, err = ganbench("report", *words)
        assert (status, out) == (2, "")
        assert f"there are no runs to report on in {where} at sqlite" in err
        assert len(err.strip().splitlines()) == 1
    assert files(Path()) == set()


def test_a_server_that_does_not_answer_is_one_line(ganbench: Ganbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    status, out, err = ganbench("report", "--suite", "quick")
    assert (status, out) == (2, "")
    assert re.fullmatch(r".*http://127\.0\.0\.1:\d+ does not answer: .*\n", err)
    assert files(Path()) == set()


@pytest.mark.slow  # it starts an MLflow server
def test_a_report_through_a_server_is_that_of_its_store(
    ganbench: Ganbench, recorded: list[str], uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "mlflow.db").write_bytes((tmp_path / "mlflow.db").read_bytes())
    port = free_port()
    remote = f"http://127.0.0.1:{port}"
    with serving(served, port) as server:
        run_id = record(remote, "remote", seed="7")  # the server stores its artifacts
        monkeypatch.setenv("MLFLOW_TRACKING_URI", remote)
        for folder in ("one", "two"):
            status, out, err = ganbench("report", "--suite", "remote", "--suite", "small", "--out", folder, "--csv", f"{folder}-tidy")
            assert (status, err) == (0, "")
        assert "wgan" in out
        assert Path("one/index.html").read_bytes() == Path("two/index.html").read_bytes()
        tables = {
            name: pd.read_csv(f"one-tidy/{name}", dtype=str).to_dict("records") for name in ("protocols.csv", "curves.csv", "runs.csv")
        }
        assert {"run_id": run_id, "key": FID, "protocol": "h"} in tables["protocols.csv"]
        assert {row["value"] for row in tables["curves.csv"] if row["run_id"] == run_id} == {"10.0"}
        assert {row["run_id"] for row in tables["runs.csv"]} == {run_id, *recorded}
        end(server)
        status, out, err = ganbench("report", "--suite", "remote")
    assert (status, out) == (2, "")
    assert "does not answer" in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--only dcgann", "--only 'dcgann' matches no variant of these results; did you mean 'dcgan'"),
        ("--out taken", "--out: cannot write to 'taken'"),
        ("--csv taken", "--csv: cannot write to 'taken'"),
        ("--csv taken/below", "--csv: cannot write to 'taken/below'"),
        ("--latex taken/t.tex", "--latex: cannot write to 'taken'"),
        ("--latex .", "--latex: '.' is a folder"),
        ("--csv new --check nowhere", "--check: 'nowhere'"),
        ("--csv new --check taken", "--check: 'taken'"),
        ("--runs abc", "there is no run 'abc' in the store: give its id, or at least the first 6 of its digits"),
        ("--suite smal", "no results of a suite 'smal'; did you mean 'small'"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(ganbench: Ganbench, recorded: list[str], words: str, message: str) -> None:
    Path("taken").write_text("in the way")
    status, out, err = ganbench("report", *words.split())
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert files(Path()) == {"taken"}


def test_the_report_of_a_whole_suite_is_logged_to_its_newest_execution(ganbench: Ganbench, recorded: list[str], uri: str) -> None:
    tracker = Tracker(uri, "small")
    assert ganbench("report", "--suite", "small", "--out", "none-yet")[0] == 0  # the suite has no parent run yet
    tracker.start_parent("first", {"suite": "small"})
    time.sleep(0.01)
    newest = tracker.start_parent("second", {"suite": "small"})
    assert ganbench("report", "--suite", "small", "--only", "dc*", "--out", "part")[0] == 0
    assert not tracker.client.list_artifacts(newest)
    assert ganbench("report", "--suite", "small", "--out", "page")[0] == 0
    logged = Path(tracker.client.download_artifacts(newest, REPORT))
    assert logged.read_bytes() == Path("page/index.html").read_bytes()
    description = tracker.client.get_run(newest).data.tags[DESCRIPTION]
    assert description.startswith("Lowest median classifier-FID on digits at 1,000 real images each: dcgan")
    assert "\n\n" in description


def test_a_store_that_refuses_the_report_is_a_warning(
    ganbench: Ganbench, recorded: list[str], uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Tracker(uri, "small").start_parent("first", {"suite": "small"})

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Tracker, "artifact", refuse)
    status, _, _ = ganbench("report", "--suite", "small", "--out", "page")
    assert status == 0
    assert Path("page/index.html").exists()
    assert "the report cannot be logged to MLflow: " in caplog.text
