"""Images in the form of MLflow's `log_image`: same names for the same run, key and step, and an image that every reader can open."""

from __future__ import annotations

import io
import re

import pytest
from mlflow import MlflowClient
from PIL import Image

from bench.tracking import store
from bench.tracking.client import Tracker
from bench.tracking.logged_images import SIDE, TAG, image_files, steps_of

RUN_ID = "0123456789abcdef0123456789abcdef"


def png(width: int, height: int, mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    image = Image.new(mode, (width, height), 7)
    image.putpixel((1, 0), 255)
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def names(uri: str, run_id: str) -> list[str]:
    return [file.path for file in store.connect(uri).list_artifacts(run_id, "images")]


def test_the_names_and_the_tag_are_those_of_log_image(uri: str) -> None:
    log = Tracker(uri, "small").start_run("a", {}, {})
    log.image("samples", 300, png(10, 10))
    log.finish("finished")
    client: MlflowClient = store.connect(uri)
    theirs = client.create_run(client.get_run(log.run_id).info.experiment_id).info.run_id
    client.log_image(theirs, Image.open(io.BytesIO(png(10, 10))), key="samples", step=300, timestamp=1)
    plain = [re.sub(r"timestamp\+\d+\+[0-9a-f-]{36}", "timestamp+MS+ID", name) for run in (log.run_id, theirs) for name in names(uri, run)]
    assert len(plain) == 4
    assert plain[:2] == plain[2:]
    tags = client.get_run(theirs).data.tags
    assert TAG.items() <= tags.items()
    assert TAG.items() <= client.get_run(log.run_id).data.tags.items()


def test_a_repeated_image_has_the_same_name() -> None:
    first = image_files(RUN_ID, "samples", 300, png(10, 10), started=5)
    assert image_files(RUN_ID, "samples", 300, png(10, 10), started=5) == first
    others = [
        image_files(RUN_ID, "samples", 301, png(10, 10), started=5),
        image_files(RUN_ID, "faces", 300, png(10, 10), started=5),
        image_files("f" * 32, "samples", 300, png(10, 10), started=5),
    ]
    assert all(not first.keys() & other.keys() for other in others)


@pytest.mark.parametrize(("size", "expected"), [((10, 10), (250, 250)), ((300, 150), (SIDE, 128)), ((256, 100), (256, 100))])
def test_the_copy_for_the_pages_fits(size: tuple[int, int], expected: tuple[int, int]) -> None:
    _, copy = image_files(RUN_ID, "samples", 1, png(*size), started=5).values()
    with Image.open(io.BytesIO(copy)) as image:
        assert (image.format, image.size) == ("WEBP", expected)


def test_a_small_image_gets_larger_pixels_without_loss() -> None:
    _, copy = image_files(RUN_ID, "samples", 1, png(10, 10), started=5).values()
    with Image.open(io.BytesIO(copy)) as image:
        grey = image.convert("L")
    assert {grey.getpixel((x, y)) for x in range(25, 50) for y in range(25)} == {255}
    assert {grey.getpixel((x, 5)) for x in (*range(25), *range(50, 250))} == {7}


def test_images_are_found_in_the_order_of_their_steps() -> None:
    paths = [path for step in (900, 30, 200) for path in image_files(RUN_ID, "samples", step, png(4, 4), started=5)]
    paths += [*image_files(RUN_ID, "faces", 5, png(4, 4), started=5), "images/x.png", "images/samples+step+7.png"]
    found = steps_of(paths, "samples")
    assert [step for step, _ in found] == [30, 200, 900]
    assert all(path in paths and path.endswith(".png") for _, path in found)
