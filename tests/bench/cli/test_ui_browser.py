"""The printed link in a real browser: MLflow's page opens on the prepared comparison."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import small
from serving import free_port

from bench.metrics.columns import FID_DISTILLED
from bench.tracking import store
from bench.tracking.view_state import PREFIX
from bench.tracking.views import BY_VARIANT, EVERY_SEED, SAMPLES

pytestmark = pytest.mark.slow

GANBENCH = Path(sys.executable).with_name("ganbench")
PATIENCE = 180_000  # ms: MLflow's page is large, and charts are drawn without a GPU
LINK = re.compile(r"(\S+)  +(http://127\.0\.0\.1:\S+)")
VARIANTS = ("dcgan", "label-smoothed")


def start(folder: Path, uri: str, log: Path, *words: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [str(GANBENCH), "ui", *words], cwd=folder, env={**os.environ, "MLFLOW_TRACKING_URI": uri, "COLUMNS": "1000"}, stdout=output,
            stderr=output, start_new_session=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the store of a small suite and the links that `ganbench ui` prints. SIGTERM ends it without a traceback."""
    folder = tmp_path_factory.mktemp("ui")
    uri = f"sqlite:///{folder}/mlflow.db"
    assert small.execute(uri, folder / "runs").count("finished") == 4
    process = start(folder, uri, folder / "log", "--port", str(free_port()))
    deadline = time.monotonic() + 180
    while not LINK.search(output := (folder / "log").read_text()) and time.monotonic() < deadline:
        assert process.poll() is None, output
        time.sleep(0.2)
    time.sleep(1)  # all links are printed together
    yield uri, dict(LINK.findall((folder / "log").read_text()))
    process.send_signal(signal.SIGTERM)  # a background job ignores SIGINT
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[[str], Any]]:
    """Yield a function that opens a link in a new profile and returns the page. Checks that no script of the page fails."""
    context = browser.new_context(viewport={"width": 1600, "height": 3400})
    failures: list[str] = []

    def open_link(link: str) -> Any:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(link)
        return page

    yield open_link
    context.close()
    assert failures == []


def test_a_link_for_each_experiment(served: tuple[str, dict[str, str]]) -> None:
    assert list(served[1]) == ["small", "references"]


def test_the_link_opens_bars_and_curves_grouped_by_variant(served: tuple[str, dict[str, str]], opened: Callable[[str], Any]) -> None:
    page = opened(served[1]["small"])
    charts = page.get_by_test_id("experiment-view-compare-runs-chart-area")
    charts.get_by_text("Comparison", exact=False).first.wait_for()
    for title in (FID_DISTILLED, "diversity/vendi_score", "modes/classes_covered"):
        charts.get_by_text(title, exact=True).first.wait_for()
    charts.locator(".barlayer path").nth(1).wait_for(state="attached")
    for variant in VARIANTS:
        page.get_by_text(f"Group: {variant}").first.wait_for()
    assert page.get_by_text("4 matching runs").is_visible()  # without their parent
    charts.get_by_text("Against images", exact=False).first.scroll_into_view_if_needed()
    for title in ("train/loss_d", "train/loss_g"):
        charts.get_by_text(title, exact=True).first.wait_for()
    charts.locator(".scatterlayer path.js-line").nth(1).wait_for(state="attached")
    assert charts.get_by_text("No charts in this section").count() == 0


def test_the_view_of_every_seed_has_the_chosen_columns(served: tuple[str, dict[str, str]], opened: Callable[[str], Any]) -> None:
    page = opened(served[1]["small"].replace(BY_VARIANT, EVERY_SEED).replace("CHART", "TABLE"))
    for run in ("dcgan-s0", "dcgan-s1", "label-smoothed-s0", "label-smoothed-s1"):
        page.get_by_text(run, exact=True).first.wait_for()
    for column in (FID_DISTILLED, "status", "seed", "budget.images", "perf/images_per_second"):
        page.get_by_role("columnheader").get_by_text(column, exact=True).first.wait_for()
    page.get_by_test_id("saved-views-trigger").click()
    for name in ("By variant", "Every seed", "Samples"):
        page.get_by_role("menu").get_by_text(name, exact=True).first.wait_for()


def test_the_view_of_samples_has_a_slider_over_the_steps(served: tuple[str, dict[str, str]], opened: Callable[[str], Any]) -> None:
    page = opened(served[1]["small"].replace(BY_VARIANT, SAMPLES))
    charts = page.get_by_test_id("experiment-view-compare-runs-chart-area")
    images = charts.locator("img")
    images.nth(1).wait_for()  # one seed of each variant
    assert page.get_by_text("2 matching runs").is_visible()
    last = [image.get_attribute("src") for image in images.all()]
    slider = charts.get_by_role("slider").first
    slider.focus()
    slider.press("ArrowLeft")
    page.wait_for_function("last => [...document.images].every(image => !last.includes(image.getAttribute('src')))", arg=last)
    assert images.count() == 2


def test_runs_can_be_found_by_their_data(served: tuple[str, dict[str, str]], opened: Callable[[str], Any]) -> None:
    plain, _, _ = served[1]["small"].replace("CHART", "TABLE").partition("&viewStateShareKey")
    page = opened(f"{plain}&orderByKey=metrics.%60{FID_DISTILLED}%60&searchFilter=dataset.name%20%3D%20%27digits%27")
    page.get_by_text("4 matching runs").wait_for()
    page.get_by_text(re.compile(r"digits \([0-9a-f]{16}-train\)")).first.wait_for()
    page = opened(f"{plain}&searchFilter=dataset.name%20%3D%20%27mnist%27")
    page.get_by_text("0 matching runs").or_(page.get_by_text("No runs", exact=False)).first.wait_for()


@pytest.mark.parametrize(
    "value", ['{"version": 2}', '{"name": "Later", "createdAt": 1, "updatedAt": 1, "state": "later;AAAA"}'], ids=["without a state", "packed in another way"]
)  # fmt: skip
def test_a_view_in_an_unknown_form_opens_the_plain_page(
    value: str, served: tuple[str, dict[str, str]], opened: Callable[[str], Any]
) -> None:
    uri, links = served
    client = store.connect(uri)
    experiment = client.get_experiment_by_name("small")
    client.set_experiment_tag(experiment.experiment_id, f"{PREFIX}later", value)
    page = opened(links["small"].replace(BY_VARIANT, "later"))
    page.get_by_text("small execution").first.wait_for()
    assert page.get_by_text("5 matching runs").is_visible()  # no filter


def test_a_tracking_server_has_links_to_its_own_pages(served: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    address, _, _ = served[1]["small"].partition("/#/")
    process = start(tmp_path, address, tmp_path / "log")
    assert process.wait(timeout=120) == 0
    assert dict(LINK.findall((tmp_path / "log").read_text())) == served[1]
