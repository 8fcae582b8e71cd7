"""Fuzz tests of the command line. Any words give a configuration or a one-line error, with the right exit status."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.cli import app, doctor, machine_checks, main
from bench.cli.common import parse_settings
from bench.cli.machine_checks import Check
from bench.core.config import NETWORKS, VARIANTS, RunConfig, config_for, load_config, override, paths
from bench.core.errors import UserError
from bench.core.text import harmless
from bench.data import catalog
from bench.data.idx import IdxImages
from bench.perf import measure as measuring
from bench.runs import preparation
from bench.scheduling import scheduler
from bench.scheduling.estimate import SpeedProbe
from bench.scheduling.suite import SUITES
from studies import sweep
from studies.study import STUDIES

EXAMPLES, MANY = 50, 2_000

FUZZED = {
    "list",
    "show",
    "data",
    "data fetch",
    "doctor",
    "report",
    "run",
    "suite",
    "evaluate",
    "sample",
    "score",
    "study",
    "runs",
    "runs prune",
    "sync",
    "perf",
    "ui",
}
ODD = [
    "", " ", "nan", "NaN", "inf", "-inf", "Infinity", "1e999", "-1e999", "1e-999", "-0", "00", "0x10", "1_000", "٣", "1e3", "1.0", "0.5", "1",
    "true", "True", "null", "None", "[]", "{}", "[[1]]", "[0.5,0.9]", "0.5,0.9", ",", "1,", "[1", '"', '"a"', '{"a": 1}', "=", "a=b", "\u2028", "\x85",
    "a\nb", "\x1b[31m", "\udcff", "é", "𝔘", "[red]", "x" * 10_000, str(2**31), str(2**63), "9" * 400, "-1", "auto", "cpu", "cuda:99", "digits", "[" * 2_000,
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
VALUES = st.one_of(st.sampled_from(ODD), JSON.map(json.dumps), st.integers().map(str), st.floats().map(repr), st.text(max_size=20))


def fuzz(examples: int, **options: Any) -> settings:
    """Return settings for reproducible examples without a time limit."""
    return settings(
        derandomize=True, deadline=None, database=None, max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], **options,
    )  # fmt: skip


def at_every_size(test: Callable[[Callable[..., None], int], None]) -> Any:
    """Parametrize a test by the number of examples. The test with the large number is marked as slow."""
    return pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(MANY, marks=pytest.mark.slow)])(test)


# --set


def known_paths(variant: str) -> list[str]:
    """Return the paths that --set accepts, and some similar ones."""
    real = sorted(paths(config_for(variant)))
    return [*real, *real, "recipe", "recipe.", ".seed", "seed ", "variant", "recipe.lr_g.x", "budget", "RECIPE.LR_G"]


@st.composite
def setting_lists(draw: st.DrawFn, variant: str) -> list[str]:
    """Draw the --set options of a command."""
    now = paths(config_for(variant))
    pairs = st.builds("{}={}".format, st.sampled_from(known_paths(variant)), VALUES)
    good = st.builds("{}={}".format, st.sampled_from(sorted(now)), st.sampled_from(["1", "2", "0.5", "64", *map(json.dumps, now.values())]))
    return draw(st.lists(pairs | good | st.text(max_size=30), min_size=1, max_size=3))


def configured(variant: str, texts: list[str]) -> RunConfig | None:
    """Return the configuration of these settings, or None if they raise a one-line UserError."""
    try:
        return override(config_for(variant), parse_settings(texts))
    except UserError as error:
        line = str(error)
    assert len(line.splitlines()) == 1, line
    return None


@at_every_size
def test_any_setting_gives_a_configuration_or_one_line(examples: int) -> None:
    accepted = 0
    cases = st.sampled_from(VARIANTS.names()).flatmap(lambda name: st.tuples(st.just(name), setting_lists(name)))

    @fuzz(examples)
    @given(case=cases)
    def check(case: tuple[str, list[str]]) -> None:
        nonlocal accepted
        config = configured(*case)
        if config is not None:
            accepted += 1
            again = load_config(config.canonical())
            assert again == config
            assert again.canonical() == config.canonical()

    check()
    assert accepted > examples // 50, "at most 2% of the examples are valid settings: let `setting_lists` draw more valid ones"


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS.names())
def test_every_path_of_a_variant_takes_every_odd_value_or_refuses_it(variant: str) -> None:
    for path in paths(config_for(variant)):
        for value in ODD:
            config = configured(variant, [f"{path}={value}"])
            assert config is None or load_config(config.canonical()) == config


# Whole command lines


def tree(command: Any, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield each verb with its options."""
    for name, verb in getattr(command, "commands", {}).items():
        yield f"{prefix}{name}", [option for param in verb.params for option in param.opts if option.startswith("-")]
        yield from tree(verb, f"{prefix}{name} ")


VERBS = dict(tree(typer.main.get_command(app)))
OPTIONS = sorted({option for options in VERBS.values() for option in options} | {"--help", "-h", "--", "-", "--nonsense", "-x"})
BYTES = st.binary(max_size=12).filter(lambda word: b"\0" not in word).map(os.fsdecode)  # a command line contains no NUL
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NAMES = [
    *VARIANTS.names(), *NETWORKS.names(), "digits", "fashion-mnist", "auto", "smoke", "quick", "variants", "metrics", "folder:nowhere", "folder:",
    "os:path", "nothing:HERE", ":", "recipe.lr_g=1e-3", "recipe.k=2", "budget.images=640", "device=cpu", "*", "wgan*", "[", "nowhere.npz", "x.png", ".", "..",
]  # fmt: skip
WORDS = st.one_of(
    st.sampled_from(NAMES), st.sampled_from([word for word in ODD if "\0" not in word]), PLAIN, BYTES, st.sampled_from(OPTIONS)
)


ARGUMENTS = {  # valid arguments of the verbs
    "list": ["variants", "datasets", "metrics", "suites", "networks"],
    "show": [*VARIANTS.names(), "nothing:HERE", "os:path"],
    "data fetch": ["digits", "fashion-mnist", "folder:nowhere", "folder:.,size=8"],
    "run": [*VARIANTS.names(), "nothing:HERE", "os:path"],
    "suite": SUITES.names(),
    "study": STUDIES.names(),
    "evaluate": ["nowhere.npz", ".", "os:path", "torch.nn:Nothing"],
    "sample": ["0123456789abcdef", "abc"],
    "score": ["0123456789abcdef", "abc"],
}
GIVEN: dict[str, list[str]] = {
    "--dataset": ["digits", "digits", "auto", "fashion-mnist", "folder:nowhere", "folder:.,size=8", "os:path", "digit"],
    "--set": ["recipe.lr_g=1e-3", "recipe.k=2", "recipe.loss=hinge", "budget.images=640", "evaluation.samples=50", "networks=mlp", "recipe.batch_size=4"],
    "--seed": ["0", "3", "-1", "2147483648", "1.5"],
    "--seeds": ["1", "2", "0", "99999999999"],
    "--workers": ["1", "2", "0", "1000"],
    "--extend": ["1000", "0", "-5"],
    "--space": ["lr-k", "lucic-wide", "lrk", "os:path"],
    "--sampler": ["tpe", "random", "grid", "cma"],
    "--pruner": ["none", "median", "wilcoxon", "hyperband"],
    "--variants": ["dcgan", "dcgan,wgan", "nobody", ","],
    "--objective": ["quality/fid_classifier", "quality/fid_classifier,perf/train_seconds", "modes/collapse", "fid"],
    "--storage": ["studies.journal", "sqlite:///x.db", "postgresql://127.0.0.1:9/x", ".", ""],
    "--trials": ["1", "0", "1000000"],
    "--search-seeds": ["1", "5", "0"],
    "--sampler-seed": ["0", "-1"],
    "--name": ["mine", "quick", "../up", ""],
    "--only": ["*", "wgan*", "nobody", "[", ""],
    "--out": ["x.png", "x.npz", "x.txt", "nowhere/x.png", "/proc/x.png", "."],
    "--n": ["1", "0", "64"],
    "--weights": ["last", "best", "worst"],
    "--older-than": ["0", "30", "-1", "nan", "inf", "x"],
    "--runs-dir": ["runs", "nowhere", "/proc/runs", "a" * 300],
    "--range": ["0", "-1", "nan"],
}  # fmt: skip


@st.composite
def sensible_lines(draw: st.DrawFn) -> list[str]:
    """Draw a verb with mostly valid arguments and options, and sometimes a random word."""
    verb = draw(st.sampled_from(sorted(FUZZED)))
    words = [*verb.split(" "), *([draw(st.sampled_from(ARGUMENTS[verb]))] if verb in ARGUMENTS else [])]
    words += ["--out", "x.png"] if verb == "sample" else []
    for option in draw(st.lists(st.sampled_from([*VERBS[verb], "--help"]), max_size=4)):
        words.append(option)
        if option in GIVEN:
            words.append(draw(st.sampled_from(GIVEN[option])) if draw(st.integers(0, 5)) else draw(WORDS))
    if not draw(st.integers(0, 4)):
        words.insert(draw(st.integers(1, len(words))), draw(WORDS))
    return words


@st.composite
def wild_lines(draw: st.DrawFn) -> list[str]:
    """Draw random words, sometimes after a verb."""
    start = draw(st.sampled_from([[], *([verb] for verb in FUZZED)]))
    return [*(part for verb in start for part in verb.split(" ")), *draw(st.lists(WORDS, max_size=5))]


COMMAND_LINES = st.integers(0, 3).flatmap(lambda kind: sensible_lines() if kind else wild_lines())


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield an empty working folder in which verbs do not train, probe the machine or use the network."""

    def trained(*args: object, **options: object) -> None:
        raise typer.Exit(1)

    def unreachable(*args: object) -> None:
        raise UserError("tests do not use the network")

    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(scheduler, "run_suite", trained)
    monkeypatch.setattr(scheduler, "SpeedProbe", lambda *, probe: SpeedProbe(probe=False))
    monkeypatch.setattr(preparation, "assemble", lambda config, data: None)  # wide networks would need too much memory
    monkeypatch.setattr(machine_checks, "machine_facts", dict)
    monkeypatch.setattr(doctor, "machine_facts", dict)
    monkeypatch.setattr(doctor, "doctor", lambda **options: [Check(name="x", ok=False, needed=True, found="x")])
    monkeypatch.setattr(IdxImages, "fetch", unreachable)
    monkeypatch.setattr(measuring, "measure", unreachable)
    monkeypatch.setattr(sweep, "sweep", trained)
    monkeypatch.setattr(socket.socket, "connect", unreachable)
    catalog.resolve_auto.cache_clear()
    yield work
    catalog.resolve_auto.cache_clear()


def outcome(words: list[str]) -> tuple[int, str, str]:
    """Return the exit status, stdout and stderr of a command. The streams raise encoding errors, like those of a terminal."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    before, sys.argv = sys.argv, ["ganbench", *words]
    status: object = 0
    try:
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            main()
    except SystemExit as stopped:
        status = stopped.code
    finally:
        sys.argv = before
    assert isinstance(status, int), status
    return status, *(stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]


def test_every_verb_is_fuzzed() -> None:
    assert set(VERBS) == FUZZED, (
        "FUZZED differs from the verbs of the command line: add each new verb, and replace its side effects in `sandbox`"
    )


@at_every_size
def test_any_command_line_ends_well(examples: int, sandbox: Path) -> None:
    statuses: set[int] = set()

    @fuzz(examples)
    @given(words=COMMAND_LINES)
    def check(words: list[str]) -> None:
        status, out, err = outcome(words)
        statuses.add(status)
        assert harmless(out + err) == out + err
        assert status in {0, 1, 2, 130}
        assert "Traceback" not in err
        if status == 2:
            assert len([line for line in err.splitlines() if line.strip()]) == 1, err
            assert err.startswith("ganbench: ")
        assert not list(sandbox.iterdir())

    check()
    assert statuses == {0, 1, 2}
