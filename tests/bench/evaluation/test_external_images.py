"""External images. Every format gives the same bytes, and every damaged or wrong file gives a one-line error."""

from __future__ import annotations

import io
import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from external import DATA, GREY, RGB, some
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bench.core.errors import UserError
from bench.core.spec import to_bytes, to_unit_range
from bench.evaluation.external_images import ImageRequirements, as_bytes, check_range, read_npz


def saved(folder: Path, **content: Any) -> Path:
    path = folder / "x.npz"
    np.savez(path, **content)
    return path


def refused(path: Path, wanted: ImageRequirements = GREY, value_range: tuple[float, float] | None = None) -> str:
    """Return the one-line error message that a file gives."""
    with pytest.raises(UserError) as error:
        read_npz(path, wanted, value_range)
    message = str(error.value)
    assert message.strip()
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", np.longdouble])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-3.0, 5.0)])
def test_a_float_copy_gives_the_same_bytes(tmp_path: Path, dtype: Any, low: float, high: float) -> None:
    images = some()
    floats = (images.double().numpy() / 255 * (high - low) + low).astype(dtype)
    value_range = None if (low, high) == (0.0, 1.0) else (low, high)
    assert torch.equal(read_npz(saved(tmp_path, images=floats), GREY, value_range), images)


def test_the_range_of_networks_is_rounded_as_for_every_run() -> None:
    output = torch.randn(2000, 1, 8, 8, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    assert torch.equal(as_bytes(output, (-1.0, 1.0)), to_bytes(output))
    assert torch.equal(as_bytes(to_unit_range(some()), (-1.0, 1.0)), some())
    assert torch.equal(as_bytes((output.double() + 1) / 2, None), to_bytes(output))


def test_orders_of_the_axes(tmp_path: Path) -> None:
    for wanted, images in ((GREY, some()), (RGB, some(shape=(3, 8, 6)))):
        for array in (images, images.permute(0, 2, 3, 1)):
            assert torch.equal(read_npz(saved(tmp_path, images=array.numpy()), wanted), images)
    assert torch.equal(read_npz(saved(tmp_path, images=some()[:, 0].numpy()), GREY), some())
    fortran = np.asfortranarray(some(shape=(3, 8, 6)).numpy())
    assert torch.equal(read_npz(saved(tmp_path, images=fortran), RGB), some(shape=(3, 8, 6)))


def test_an_ambiguous_order_is_nchw_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cube = ImageRequirements(dataset="cubes", shape=(3, 3, 3), fewest=10, levels=DATA)
    images = some(shape=(3, 3, 3))
    with caplog.at_level(logging.WARNING):
        assert torch.equal(read_npz(saved(tmp_path, images=images.numpy()), cube), images)
    assert "reading it as NCHW" in caplog.text


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.zeros((12, 1, 8, 8)) - 0.5,
            "go from -0.5 to -0.5, and [0, 1] is expected: set the values of black and white, e.g. --range -1 1",
        ),
        (np.full((12, 1, 8, 8), 200.0), "e.g. --range 0 255"),
        (np.full((12, 1, 8, 8), np.nan), "infinite or NaN"),
        (np.full((12, 1, 8, 8), np.inf), "infinite or NaN"),
        (np.zeros((12, 1, 8, 8), np.int64), "the array 'images' is int64: use uint8 in 0..255, or floats in [0, 1]"),
        (np.zeros((12, 1, 8, 8), bool), "is bool"),
        (np.zeros((12, 1, 8, 8), np.complex64), "is complex64"),
        (np.zeros((12, 1, 8, 8), "datetime64[s]"), "is datetime64[s]"),
        (np.zeros((12, 1, 8, 8), [("a", "u1")]), "is [('a', 'u1')]"),
        (np.full((12, 1, 8, 8), "a\nb"), "is <U3"),
        (np.full((12, 1, 8, 8), None), "Object arrays"),
        (np.zeros((12, 3, 8, 8), np.uint8), "must have the shape [N, 1, 8, 8] or [N, 8, 8, 1] or [N, 8, 8], not [12, 3, 8, 8]"),
        (np.zeros((12, 8, 9), np.uint8), "not [12, 8, 9]"),
        (np.zeros((12, 64), np.uint8), "not [12, 64]"),
        (np.zeros((), np.uint8), "not []"),
        (np.zeros((2,) * 30, np.uint8)[..., :0], "not [2, 2, 2"),
        (np.zeros((9, 1, 8, 8), np.uint8), "9 images are too few to measure: use at least 10"),
        (np.zeros((0, 1, 8, 8), np.uint8), "0 images are too few"),
    ],
)
def test_wrong_arrays(tmp_path: Path, array: np.ndarray[Any, Any], message: str) -> None:
    assert message in refused(saved(tmp_path, images=array))


def test_values_outside_the_range_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, images=np.full((12, 1, 8, 8), 1.5))
    assert "set another --range, or clamp the values" in refused(path, value_range=(-1.0, 1.0))
    assert "--range is for floats" in refused(saved(tmp_path, images=some().numpy()), value_range=(0.0, 1.0))
    slightly = saved(tmp_path, images=np.full((12, 1, 8, 8), 1.000001))
    assert read_npz(slightly, GREY).min() == 255
    for value_range in ((1.0, 0.0), (1.0, 1.0), (0.0, float("nan")), (float("-inf"), 1.0), (-1e308, 1e308)):
        with pytest.raises(UserError, match="--range takes LO and HI with LO < HI"):
            check_range(value_range)


def test_files_with_other_content(tmp_path: Path) -> None:
    assert "arr_0, labels" in refused(saved(tmp_path, arr_0=np.zeros(3), labels=np.zeros(3)))
    assert "it is empty" in refused(saved(tmp_path))
    plain = tmp_path / "x.npy"
    np.save(plain, some().numpy())
    assert "is not an .npz file" in refused(plain)
    (tmp_path / "empty.npz").write_bytes(b"")
    assert "is not an .npz file" in refused(tmp_path / "empty.npz")
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as archive:
        archive.writestr("a\nb\x1b[31m.npy", b"")
    assert "\x1b" not in refused(tmp_path / "z.npz")


def test_a_member_without_the_ending_is_ignored(tmp_path: Path) -> None:
    path = saved(tmp_path, images=some().numpy())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images", b"something else")
    assert torch.equal(read_npz(path, GREY), some())


def test_a_truncated_or_changed_file(tmp_path: Path) -> None:
    path = saved(tmp_path, images=some().numpy())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "is not an .npz file" in refused(path)
    at = content.index(bytes(range(0, 70, 7)))
    path.write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    assert "Bad CRC-32" in refused(path)


def header_only(shape: tuple[int, ...]) -> bytes:
    """Return an .npz file whose array has a header with that shape and no data."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": shape})
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("images.npy", member.getvalue())
    return content.getvalue()


@pytest.mark.parametrize("n", [10**18, 10**9, 50, -5])
def test_a_header_without_its_data_is_one_line(tmp_path: Path, n: int) -> None:
    (tmp_path / "x.npz").write_bytes(header_only((n, 1, 8, 8)))
    assert "x.npz" in refused(tmp_path / "x.npz")


def test_an_array_larger_than_the_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, images=some().numpy())
    monkeypatch.setattr("bench.evaluation.npz.memory_gb", lambda: 1e-9)
    assert "does not fit into memory" in refused(path)


SMALL = st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(0, 9)) | st.sampled_from(
    [(12, 1, 8, 8), (12, 8, 8), (12, 8, 8, 1), (10, 3, 8, 8)]
)
ANYTHING = arrays.arrays(dtype=arrays.array_dtypes() | arrays.scalar_dtypes(), shape=SMALL) | arrays.arrays(
    dtype=arrays.floating_dtypes() | st.just(np.dtype("u1")), shape=st.just((12, 1, 8, 8)), fill=st.just(0)
)
RANGES = st.none() | st.just((-1.0, 1.0))


def survives(content: bytes, path: Path, value_range: tuple[float, float] | None) -> None:
    """Check that a file gives valid images or a one-line error."""
    path.write_bytes(content)
    message, images = "one line", some()
    try:
        images = read_npz(path, GREY, value_range)
    except UserError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    assert (images.dtype, images.shape[1:]) == (torch.uint8, (1, 8, 8))


def any_array(array: np.ndarray[Any, Any], name: str, path: Path, value_range: tuple[float, float] | None) -> None:
    content = io.BytesIO()
    np.savez(content, allow_pickle=True, **{name: array})  # type: ignore[arg-type]
    survives(content.getvalue(), path, value_range)


def any_bytes(data: st.DataObject, path: Path) -> None:
    """Check a valid file with some bytes changed, added or removed."""
    good = io.BytesIO()
    np.savez_compressed(good, images=some().numpy())
    content = bytearray(good.getvalue())
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    survives(bytes(content[:end]) + data.draw(st.binary(max_size=8)), path, None)


NAMES = st.sampled_from(["images", "images", "images", "arr_0", "a b", "\n"])


@settings(max_examples=100, derandomize=True, deadline=None)
@given(array=ANYTHING, name=NAMES, value_range=RANGES)
def test_any_array_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray[Any, Any], name: str, value_range: tuple[float, float] | None
) -> None:
    any_array(array, name, tmp_path_factory.getbasetemp() / "array.npz", value_range)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(data=st.data())
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    any_bytes(data, tmp_path_factory.getbasetemp() / "bytes.npz")


@pytest.mark.slow
@settings(max_examples=2000, derandomize=True, deadline=None)
@given(array=ANYTHING, name=NAMES, value_range=RANGES)
def test_any_array_at_length(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray[Any, Any], name: str, value_range: tuple[float, float] | None
) -> None:
    any_array(array, name, tmp_path_factory.getbasetemp() / "array.npz", value_range)


@pytest.mark.slow
@settings(max_examples=2000, derandomize=True, deadline=None)
@given(data=st.data())
def test_any_bytes_at_length(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    any_bytes(data, tmp_path_factory.getbasetemp() / "bytes.npz")
