"""The documented commands and Python examples that read recorded runs, executed on a small store of digits."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small
from documented import PAGES, commands, execute
from PIL import Image

from bench.scheduling.suite import Entry
from bench.tracking.results import load
from reports import build

pytestmark = pytest.mark.slow

SUITES = {"quick": ("dcgan", "wgan"), "losses": ("dcgan",)}  # experiments that the pages name
FASTER = {  # options that change no result of an example: one file is written by several, half the time, no workers
    "sample": ["--force"],
    "evaluate": ["--set", "evaluation.standard_errors=false"],
    "score": ["--workers", "1"],
}
VERBS = ("sample", "evaluate", "report", "score", "sync", "runs")  # in this order: `sample` writes the file that `evaluate` measures
NOT_HERE = (
    "--class",
    "--range",
    "evaluation.photo=true",
    "my_package.my_module:generator",
)  # a conditional model, floats, weights, a user's code


def calls() -> list[list[str]]:
    """Return the documented calls of the verbs, each once. Those that write come before those that read the same file."""
    unique = {shlex.join(words): words for page in PAGES for words in commands(page.read_text(encoding="utf-8"), "ganbench")}
    found = [words for words in unique.values() if words[0] in VERBS and len(words) > 1 and not set(NOT_HERE) & set(words)]
    return sorted([["sync"], *found], key=lambda words: (VERBS.index(words[0]), "samples.npz" not in words, "--csv" not in words, words))


@pytest.fixture
def ids(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the ids of two recorded runs. The working folder has their store, checkpoints, and pictures of the size of the digits."""
    monkeypatch.chdir(tmp_path)
    for name, variants in SUITES.items():
        suite = replace(small.SUITE, name=name, entries=tuple(Entry(variant=variant) for variant in variants), seeds=(0,))
        small.execute(uri, tmp_path / "runs", suite=suite)
    Path("pictures").mkdir()
    for index, image in enumerate(np.random.default_rng(0).integers(0, 255, (60, 8, 8), dtype=np.uint8)):
        Image.fromarray(image).save(f"pictures/{index}.png")
    runs = load(uri, ("quick",)).runs
    return list(runs[runs["kind"] == "run"]["run_id"])


def here(text: str, ids: list[str]) -> str:
    """Return a text of a page for this store: ids of its runs, its experiments, its data, and as many samples as it has images."""
    if text in ("runs", "lr-*", "modes", "smoke"):  # as values of --suite
        return "losses"
    names = {"RUN_ID": ids[0], "5f374d51": ids[0], "00d03c53": ids[1], "fashion-mnist": "digits", "samples=5000": "samples=100"}
    return re.sub("|".join(names), lambda name: names[name.group()], text)


def test_the_commands_run(ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = calls()
    assert len(found) > 20
    monkeypatch.setattr(build, "SECTIONS", build.SECTIONS[:2])  # other tests build whole reports
    for words in found:
        allowed = {0, 2} if "--check" in words else {0}  # one seed is too few for a check
        verb, *rest = words
        call = ["ganbench", verb, *(here(word, ids) if verb != "runs" else word for word in rest), *FASTER.get(verb, [])]
        assert execute(call, monkeypatch) in allowed, shlex.join(words)
    assert all(Path(name).exists() for name in ("samples.npz", "grid.png", "table.tex", "tidy/runs.csv", "both/index.html"))


def test_the_examples_in_python_run(ids: list[str]) -> None:
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    ]
    reading = [block for block in blocks if "bench.tracking.results" in block or "load_generator" in block]
    assert len(reading) >= 4
    for block in reading:
        exec(compile(here(block, ids), "page", "exec"), {})
