"""Tests of the command line. A mistake prints one line, returns exit status 2 and writes no file."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from mlflow.exceptions import MlflowException

from bench.cli import app, tables
from bench.cli.common import GROUPS
from bench.core.text import harmless
from bench.tracking.client import Tracker

FREE_SPACE = "; free space: `ganbench runs prune --older-than 30` lists old checkpoints"
Ganbench = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run dcgann", "unknown variant 'dcgann'; did you mean 'dcgan'"),
        ("run dcgan --dataset digit", "unknown dataset 'digit'; did you mean 'digits'"),
        ("run dcgan --dataset digits --set recipe.lrg=1", "unknown path 'recipe.lrg' for dcgan; did you mean"),
        ("run dcgan --dataset digits --set recipe.lr_g=fast", "recipe.lr_g: "),
        ("run dcgan --dataset digits --set recipe.lr_g=-1", "recipe.lr_g: Input should be greater than 0, not -1"),
        ("run dcgan --dataset digits --set recipe.lr_g", "--set takes PATH=VALUE, e.g. recipe.k=2, not 'recipe.lr_g'"),
        ("run dcgan --dataset digits --seed -1", "seed: "),
        ("run dcgan --dataset digits --set device=cuda:99", "there is no device 'cuda:99' on this machine"),
        ("run dcgan --dataset digits --set networks=perceptron", "unknown networks 'perceptron'; "),
        ("run dcgan --dataset digits --set recipe.loss=hing", "unknown loss 'hing'; did you mean 'hinge'?"),
        ("run dcgan --dataset digits --set recipe.gp=10", "recipe.gp does not work with batch norm in the discriminator"),
        (
            "run wgan --dataset digits --set recipe.real_label=0.9",
            "recipe.real_label has no effect, because the loss 'wasserstein' has no labels",
        ),
        (
            "run wgan --dataset digits --set recipe.gp=1 --set recipe.norm_d=none",
            "recipe.clip exclude each other",
        ),
        ("run dcgan --dataset digits --set recipe.batch_size=5000", "recipe.batch_size: 5000 is more than the 1,297 training examples"),
        ("run dcgan --dataset digits --set evaluation.samples=3", "evaluation.samples=3 is too few"),
        ("run nothing:HERE", "variant 'nothing:HERE' cannot be imported"),
        ("run dcgan --dataset digits --set recipe.z_dim=1000000000000", "recipe.z_dim: Input should be less than"),
        ("run dcgan --dataset digits --set recipe.width=65536", "the networks 'dcgan' of dcgan do not fit into memory"),
        ("suite smoke --seeds 99999999999 --dry-run", "--seeds takes 1 to 10,000, not 99999999999"),
        (f"run dcgan --dataset digits --runs-dir {'a' * 300}", "File name too long"),
        ("run dcgan --dataset os:path", "'os:path' is a module, not a dataset"),
        ("run dcgan --dataset digits --vary inti", "vary: unknown random stream 'inti'; did you mean 'init'?"),
        ("suite smoke --vary init;data --dry-run", "vary: unknown random stream 'init;data'; did you mean 'init'"),
        ("run dcgan --dataset digits --vary init --set vary=data", "--set vary and --vary both choose the random streams"),
        ("run dcgan --dataset digits --set seed=3", "--set cannot change the seed: use --seed"),
        ("suite smoke --set evaluation.samples=2000", "evaluation.samples: 2,000 is more than the 1,297 training images"),
        ("suite quik", "unknown suite 'quik'; did you mean 'quick'"),
        ("suite smoke --only nobody", "no variant of the suite 'smoke' matches 'nobody'"),
        ("suite smoke --seeds 0", "--seeds takes 1 to 10,000, not 0"),
        ("suite smoke --workers 1000", "--workers takes 1 to"),
        ("report", "no results at sqlite:///"),
        ("show dcgann", "unknown variant 'dcgann'; did you mean 'dcgan'"),
        ("show", "VARIANT is missing; see `ganbench show --help`"),
        ("show dcgan --dataset digit", "unknown dataset 'digit'; did you mean 'digits'"),
        ("show dcgan --set recipe.gp=10", "recipe.gp does not work with batch norm in the discriminator"),
        ("show dcgan --dataset digits --set recipe.width=65536", "the networks 'dcgan' of dcgan do not fit into memory"),
        ("show gan-2d --dataset ring8 --set recipe.augment=color", "recipe.augment works only on images, and this data is points"),
        ("list nonsense", "unknown list 'nonsense'"),
        ("data fetch fashion-mnst", "unknown dataset 'fashion-mnst'; did you mean 'fashion-mnist'"),
        ("run dcgan --sead 3", "unknown option '--sead'; did you mean '--seed'?"),
        ("run --dry-ran", "unknown option '--dry-ran'; did you mean '--dry-run'?"),
        ("--seed 3 run dcgan", "unknown option '--seed' of ganbench: put it after the command, as in `ganbench COMMAND --seed`"),
        ("--nonsense", "unknown option '--nonsense'; there is --help"),
        ("lits", "unknown command 'lits'; did you mean 'list'?"),
        ("data fetc digits", "unknown command 'data fetc'; did you mean 'data fetch'?"),
        ("xyzzy", "unknown command 'xyzzy'; there is "),
        ("run", "VARIANT is missing; see `ganbench run --help`"),
        ("data fetch", "NAME is missing; see `ganbench data fetch --help`"),
        ("run dcgan --seed three", "--seed: Input should be a valid integer, unable to parse string as an integer, not 'three'"),
        ("suite smoke --workers 1.5", "--workers: Input should be a valid integer"),
        ("run dcgan --seed", "option '--seed' requires an argument"),
        ("run dcgan lsgan", "got unexpected extra argument(s) (lsgan); see `ganbench run --help`"),
        ("suite smoke --dry-run=yes", "option '--dry-run' does not take a value"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(ganbench, words: str, message: str) -> None:  # type: ignore[no-untyped-def]
    status, _, err = ganbench(*words.split())
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(Path.cwd().iterdir())


def test_every_command_is_in_one_group_of_the_help_text(ganbench) -> None:  # type: ignore[no-untyped-def]
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    status, out, _ = ganbench("--help")
    assert status == 0
    listed = [line.split()[1] for line in out.splitlines() if line.startswith("│ ") and line.split()[1] in grouped]
    assert listed == grouped


def test_a_shell_completes_commands(monkeypatch: pytest.MonkeyPatch, ganbench) -> None:  # type: ignore[no-untyped-def]
    for name, value in {"_GANBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "ganbench s", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(name, value)
    status, out, _ = ganbench()
    assert (status, out.split()) == (0, ["show", "suite", "study", "score", "sample", "sync"])


@pytest.mark.parametrize(
    ("shell", "files"),
    [
        ("bash", {".bashrc", ".bash_completions/ganbench.sh"}),
        ("zsh", {".zshrc", ".zfunc/_ganbench"}),
        ("fish", {".config/fish/completions/ganbench.fish"}),
    ],
)
def test_the_completion_can_be_installed(
    shell: str, files: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ganbench: Callable[..., tuple[int, str, str]]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    status, out, _ = ganbench("--install-completion")
    assert (status, f"{shell} completion installed" in out) == (0, True)
    written = {str(path.relative_to(home)): path.read_text() for path in home.rglob("*") if path.is_file()}
    assert set(written) == files
    assert any("_GANBENCH_COMPLETE=complete_" in text for text in written.values())


@pytest.mark.parametrize(("words", "text"), [("", "Compare"), ("data", "fetch"), ("run --help", "VARIANT"), ("-h", "Compare")])
def test_help_is_no_mistake(ganbench, words: str, text: str) -> None:  # type: ignore[no-untyped-def]
    status, out, err = ganbench(*words.split())
    assert (status, err) == (0, "")
    assert "Usage: ganbench" in out
    assert text.lower() in out.lower()


def test_control_characters_of_a_mistake_have_no_effect(ganbench) -> None:  # type: ignore[no-untyped-def]
    status, _, err = ganbench("report", "--suite", "a\nb\x1b[31m\udcff" + "x" * 1000)
    assert status == 2
    assert len(err.splitlines()) == 1
    assert "\x1b" not in err
    status, _, err = ganbench("run", "dcgan", "--runs-dir", "a\tb\x1b\udcff/\n" + "x" * 300)
    assert (status, len(err.splitlines())) == (2, 1)
    assert "a b\ufffd\ufffd" in err
    assert harmless(err) == err
    status, _, err = ganbench("evaluate", "a\x1b[31m\u202e.npz")
    assert (status, len(err.splitlines())) == (2, 1)
    assert harmless(err) == err


def test_a_bug_prints_its_traceback(ganbench, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    def broken() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(tables.TABLES, "variants", broken)
    with pytest.raises(ZeroDivisionError):
        ganbench("list")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a\nb"), f"system error: No space left on device: 'a\\nb'{FREE_SPACE}"),
        (PermissionError(errno.EACCES, "Permission denied"), "system error: Permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "the working folder no longer exists: cd to another folder"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "the Python package 'torch' is missing: run `make setup`"),
        (
            MlflowException("(sqlite3.OperationalError) database is locked\n[SQL: SELECT 1]"),
            "fails: (sqlite3.OperationalError) database is locked",
        ),
    ],
)
def test_an_error_of_the_system_is_one_line(ganbench, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str) -> None:  # type: ignore[no-untyped-def]
    def broken() -> None:
        raise error

    monkeypatch.setitem(tables.TABLES, "variants", broken)
    status, _, err = ganbench("list")
    assert status == 2
    assert err.startswith("ganbench: ")
    assert err.endswith(f"{line}\n")


def test_a_missing_module_of_ganbench_is_a_bug(ganbench, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    def broken() -> None:
        raise ModuleNotFoundError("No module named 'bench.nothing'", name="bench.nothing")

    monkeypatch.setitem(tables.TABLES, "variants", broken)
    with pytest.raises(ModuleNotFoundError):
        ganbench("list")


def test_verbs_set_the_exit_status(ganbench, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    for status, error in ((1, typer.Exit(1)), (130, typer.Exit(130)), (130, KeyboardInterrupt()), (130, typer.Abort()), (0, typer.Exit())):

        def ended(error: BaseException = error) -> None:
            raise error

        monkeypatch.setitem(tables.TABLES, "variants", ended)
        assert ganbench("list")[0] == status


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    command = f"'{sys.executable}' -c 'from bench.cli import main; main()' list suites"
    for end in ("| true", ">&-"):
        done = subprocess.run(["bash", "-c", f"{command} {end}"], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
        assert done.stderr == ""
    full = subprocess.run(["bash", "-c", f"{command} > /dev/full"], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert (full.returncode, full.stderr) == (2, f"ganbench: system error: No space left on device{FREE_SPACE}\n")


def test_an_unreachable_server_is_reported_before_training(ganbench, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    for words in ("run dcgan --dataset digits", "suite smoke", "report"):
        status, _, err = ganbench(*words.split())
        assert (status, len(err.strip().splitlines())) == (2, 1)
        assert "the tracking store http://127.0.0.1:9 does not answer" in err
    assert not list(Path.cwd().iterdir())


def test_a_folder_for_runs_that_cannot_be_created(ganbench) -> None:  # type: ignore[no-untyped-def]
    Path("file").write_text("in the way")
    status, _, err = ganbench("run", "dcgan", "--dataset", "digits", "--runs-dir", "file/runs")
    assert status == 2
    assert "cannot be written" in err
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["file"]


@pytest.mark.parametrize("what", ["variants", "datasets", "metrics", "suites", "networks"])
def test_lists(ganbench, what: str) -> None:  # type: ignore[no-untyped-def]
    status, out, _ = ganbench("list", what)
    assert status == 0
    names = {"variants": "wgan-gp", "datasets": "digits", "metrics": "quality/fid_classifier", "suites": "smoke", "networks": "mlp-dropout"}
    assert names[what] in out


def test_the_list_of_datasets_has_tasks_and_both_shapes() -> None:
    title, columns, rows = tables.datasets()
    found = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert (title, found["digits"]["task"], found["digits"]["shape"]) == ("datasets", "generation", "1x8x8")
    assert (found["digits-x2"]["task"], found["digits-x2"]["shape"]) == ("paired", "1x4x4 to 1x8x8")
    assert (found["digits-unpaired"]["task"], found["digits-unpaired"]["shape"]) == ("unpaired", "1x8x8")
    assert (found["fashion-tops"]["task"], found["fashion-tops"]["classes"]) == ("domains", "5")


def test_dry_run_shows_the_whole_configuration(ganbench) -> None:  # type: ignore[no-untyped-def]
    status, out, _ = ganbench("run", "wgan-gp", "--dry-run", "--set", "recipe.k=3")
    assert status == 0
    assert json.loads(out)["recipe"]["k"] == 3
    assert not list(Path.cwd().iterdir())


def test_dry_run_of_a_suite_prints_the_plan_and_the_estimated_time(ganbench: Ganbench) -> None:
    status, out, _ = ganbench(
        *["suite", "quick", "--dry-run", "--dataset", "digits", "--only", "dcgan", "--seeds", "2", "--set", "budget.images=640"]
    )
    assert status == 0
    assert "2 runs, 2 to do" in out
    assert re.search(r"about \d+ s with \d at a time, by a short speed test of each variant", out)
    assert not list(Path.cwd().iterdir())


def test_run_then_again_then_report(ganbench, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    settings = ("budget.images=640", "recipe.width=8", "evaluation.standard_errors=false")
    words = ("run", "label-smoothed", "--dataset", "digits", *(word for setting in settings for word in ("--set", setting)))
    status, out, _ = ganbench(*words)
    assert status == 0
    assert "quality/fid_classifier" in out
    status, out, _ = ganbench(*words)
    assert status == 0
    assert "already finished" in out
    status, out, _ = ganbench("report", "--suite", "runs")
    assert status == 0
    assert "label-smoothed" in out
    assert Path("build/report/runs/index.html").stat().st_size > 10_000
    assert Path("build/report/runs/report.md").exists()
    status, out, _ = ganbench("report", "--out", "[/bold] [red]")
    assert status == 0
    assert "report: [/bold] [red]/index.html" in out


def test_help_and_report_import_no_torch() -> None:
    code = (
        "import sys, bench.cli, reports.build, bench.tracking.results\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(bench.cli.app, ['--help']).exit_code == 0\n"
        "assert 'torch' not in sys.modules and 'ray' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_suite_tag_is_no_path(ganbench, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    log = Tracker(uri, "odd").start_run("r", {"kind": "run", "suite": "../../escaped", "variant": "dcgan", "dataset": "digits"}, {})
    log.finish("finished")
    status, _, _ = ganbench("report", "--suite", "odd")
    assert status == 0
    assert Path("build/report/escaped/index.html").exists()
