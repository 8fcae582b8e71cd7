"""Fuzzing of checkpoints. A damaged checkpoint is never loaded, and an intact one is not lost."""

from __future__ import annotations

import json
import math
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
import small
from damage import at_every_size, damaged, fuzz, mistake
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save as save_tensors

from bench.core import serialization
from bench.runs.runner import run
from bench.runs.types import RunResult
from bench.tracking import store
from bench.training.checkpoints import CheckpointStore


def identity(state: dict[str, Any]) -> str:
    """Return one hash of a whole state."""
    tensors: dict[str, Any] = {}
    tree = serialization._without_tensors(state, "", tensors)
    return serialization._digest(json.dumps(tree), {name: tensor.contiguous() for name, tensor in tensors.items()})


@pytest.fixture(scope="module")
def stopped(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    """Return the folder with the store and the checkpoints of an interrupted run, and its result."""
    folder = tmp_path_factory.mktemp("stopped")
    shutil.copy(migrated_store, folder / "mlflow.db")
    calls = iter(range(10**6))
    result = run(small.config(), small.context(f"sqlite:///{folder}/mlflow.db", folder / "runs"), stop=lambda: next(calls) >= 7)
    assert result.status == "interrupted"
    return folder, result


@pytest.fixture(scope="module")
def good(stopped: tuple[Path, RunResult]) -> bytes:
    """Return the content of a checkpoint of a real run."""
    (path,) = stopped[0].rglob("state.safetensors")
    return path.read_bytes()


@pytest.fixture
def checkpoints(tmp_path: Path) -> CheckpointStore:
    (tmp_path / "fingerprint").mkdir()
    return CheckpointStore(tmp_path / "fingerprint")


@at_every_size
def test_a_damaged_checkpoint_is_never_loaded(examples: int, good: bytes, checkpoints: CheckpointStore) -> None:
    older = serialization.load(_written(checkpoints.newest, good))
    older["log"]["acknowledged"] = 1
    serialization.save(older, checkpoints.before)
    before, wanted = checkpoints.before.read_bytes(), {identity(serialization.load(checkpoints.newest)), identity(older)}
    fell_back = 0

    @fuzz(examples)
    @given(content=damaged(good))
    def check(content: bytes) -> None:
        nonlocal fell_back
        _written(checkpoints.newest, content)
        _written(checkpoints.before, before)
        found = checkpoints.load()
        assert found is not None
        assert identity(found) in wanted
        fell_back += not checkpoints.newest.exists()

    check()
    assert fell_back > examples // 2


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a safetensors file into its header and its data."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def joined(header: str, rest: bytes, *, size: int | None = None) -> bytes:
    text = header.encode(errors="surrogatepass")
    return struct.pack("<Q", len(text) if size is None else size) + text + rest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(["__tensor__", "__items__"]), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


@st.composite
def headers(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw a file whose header does not match its data."""
    header, rest = parts(content)
    names = [name for name in header if name != "__metadata__"]
    name, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    match draw(st.sampled_from(["huge", "offsets", "shape", "type", "double", "swap", "missing", "metadata", "size", "deep"])):
        case "huge":
            header[name]["shape"] = [draw(st.sampled_from([2**31, 2**62, 2**64, 10**30]))]
        case "offsets":
            header[name]["data_offsets"] = draw(st.lists(st.integers(-(2**65), 2**65), max_size=3))
        case "shape":
            header[name]["shape"] = draw(JSON)
        case "type":
            header[name]["dtype"] = draw(st.sampled_from(["F64", "I32", "BF16", "F8_E4M3", "X", ""]))
        case "double":
            text = json.dumps(header)
            return joined(text[:-1] + f", {json.dumps(name)}: {json.dumps(header[other])}}}", rest)
        case "swap":
            header[name], header[other] = header[other], header[name]
        case "missing":
            del header[name]
        case "metadata":
            header["__metadata__"] = draw(
                JSON | st.fixed_dictionaries({"tree": JSON, "sha256": JSON}) | st.just({"tree": "{}", "sha256": "0" * 64})
            )
        case "size":
            return joined(json.dumps(header), rest, size=draw(st.sampled_from([0, 1, 2**31, 2**63, 2**64 - 1])))
        case "deep":
            header["__metadata__"]["tree"] = "[" * draw(st.sampled_from([10, 1_000, 200_000]))
    return joined(json.dumps(header), rest)


@at_every_size
def test_a_header_that_does_not_match_its_data(examples: int, good: bytes, checkpoints: CheckpointStore) -> None:
    wanted, refused = identity(serialization.load(_written(checkpoints.newest, good))), 0

    @fuzz(examples)
    @given(content=headers(good))
    def check(content: bytes) -> None:
        nonlocal refused
        _written(checkpoints.newest, content)
        if mistake(lambda: serialization.load(checkpoints.newest)):
            refused += 1
        else:
            assert identity(serialization.load(checkpoints.newest)) == wanted

    check()
    assert refused > examples // 2


def crafted(tree: Any) -> bytes:
    """Return a file with correct hashes."""
    text = json.dumps(tree)
    return save_tensors({}, metadata={"tree": text, "sha256": serialization._digest(text, {})})


@at_every_size
def test_an_intact_file_that_is_not_a_state_of_a_run(examples: int, checkpoints: CheckpointStore) -> None:
    @fuzz(examples)
    @given(tree=JSON | JSON.map(lambda value: {"__items__": [["log", value]]}))
    def check(tree: Any) -> None:
        checkpoints.before.unlink(missing_ok=True)
        _written(checkpoints.newest, crafted(tree))
        found = checkpoints.load()
        assert found is None or isinstance(found["log"]["run_id"], str)

    check()


ODD_STATES: dict[str, Any] = {
    "nothing but an id": lambda state: {"log": {"points": [], "run_id": state["log"]["run_id"]}},
    "no points": lambda state: {**state, "log": {**state["log"], "points": None}},
    "points of another shape": lambda state: {**state, "log": {**state["log"], "points": [["a"]]}},
    "no trainer": lambda state: {**state, "trainer": {}},
    "a trainer of another size": lambda state: {**state, "trainer": {**state["trainer"], "networks": {}}},
    "more acknowledged than there is": lambda state: {**state, "log": {**state["log"], "acknowledged": 10**9}},
    "another run": lambda state: {**state, "log": {**state["log"], "run_id": "0" * 32}},
    "a run id that names a folder": lambda state: {**state, "log": {**state["log"], "run_id": "../x"}},
    "an artifact outside": lambda state: {**state, "log": {**state["log"], "artifacts": {"../x": ""}}},
}


@pytest.mark.slow
@pytest.mark.parametrize("odd", ODD_STATES)
def test_a_run_with_an_intact_checkpoint_of_another_run(
    odd: str, stopped: tuple[Path, RunResult], tmp_path: Path, whole: tuple[str, RunResult]
) -> None:
    """The run fails with a reason of one line or restarts, and the next call finishes the run."""
    shutil.copytree(stopped[0], tmp_path / "work")
    context = small.context(f"sqlite:///{tmp_path}/work/mlflow.db", tmp_path / "work" / "runs")
    (path,) = (tmp_path / "work").rglob("state.safetensors")
    serialization.save(ODD_STATES[odd](serialization.load(path)), path)
    first = run(small.config(), context)
    assert first.status in ("finished", "failed")
    assert len(first.reason.splitlines()) <= 1
    second = run(small.config(), context)
    assert second.status == "finished"
    assert small.same_numbers(timeless(second), timeless(whole[1]))


def timeless(result: RunResult) -> dict[str, float]:
    return {key: value for key, value in result.values.items() if not key.startswith("perf/")}


@pytest.mark.slow
def test_a_stopped_run_with_every_file_damaged_once(stopped: tuple[Path, RunResult], tmp_path: Path) -> None:
    """Each run resumes or restarts, and has the values of an uninterrupted run."""
    wanted = run(small.config(), small.context(f"sqlite:///{stopped[0]}/mlflow.db", tmp_path / "whole", "whole"))
    names = ("state.safetensors", "state-before.safetensors", "both", "claim.json")
    for name in names:
        folder = tmp_path / name.replace(".", "-")
        shutil.copytree(stopped[0], folder)
        uri = f"sqlite:///{folder}/mlflow.db"
        for path in folder.rglob("state*") if name == "both" else [path.parent / name for path in folder.rglob("state.safetensors")]:
            path.write_bytes(path.read_bytes()[:-100] if path.exists() else b'{"host": "elsewhere", "pid": 4711')
        result = run(small.config(), small.context(uri, folder / "runs"))
        assert result.status == "finished"
        assert (result.run_id == stopped[1].run_id) == (name != "both")
        assert small.same_numbers(timeless(result), timeless(wanted))
        points = [point for key in ("train/loss_d", "train/loss_g") for point in store.connect(uri).get_metric_history(result.run_id, key)]
        assert len(points) == len({(point.key, point.step) for point in points})
        assert all(math.isfinite(point.value) for point in points)
