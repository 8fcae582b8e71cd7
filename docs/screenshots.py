"""Screenshots of ganbench's pages and of MLflow's, for docs/make_pictures.py."""

from __future__ import annotations

import io
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from bench.core.atomic_files import write_atomic

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]
PATIENCE = 180_000  # ms: MLflow's page is large, and charts are drawn without a GPU
WIDTH = 1200  # of a screenshot of MLflow
BESIDE = 1020  # width of the samples beside the start of a report
LINK = re.compile(r"(\S+)  +(http://127\.0\.0\.1:\S+/#/experiments/\d+)(/runs\S*)")


def problem() -> str:
    """Return the reason why no screenshot can be made, or an empty text."""
    if find_spec("playwright") is None:
        return "playwright is not installed (pip install 'ganbench[dev]')"
    return "" if _chromium() else "Chromium is not installed (install the package chromium of your system)"


def report(page: Path, target: Path) -> None:
    """Save the start of a report, and beside it the samples and the progress."""
    with _opened(page.absolute().as_uri(), 1200, BESIDE * 3 // 2) as opened:
        start = _image(opened.screenshot())
        parts = [_image(opened.locator(f"#{name} figure").first.screenshot()) for name in ("samples", "progress")]
    parts = [part.resize((BESIDE, round(part.height * BESIDE / part.width)), Image.Resampling.LANCZOS) for part in parts]
    whole = Image.new("RGB", (start.width + BESIDE, start.height), "white")
    whole.paste(start, (0, 0))
    top = 0
    for part in parts:
        whole.paste(part, (start.width, top))
        top += part.height
    _save(whole, target, width=1608)


def study(page: Path, target: Path) -> None:
    """Save the start of the section on studies."""
    with _opened(page.absolute().as_uri(), 1000, 1500) as opened:
        section = _image(opened.locator("#studies").screenshot())
    _save(section.crop((0, 0, section.width, min(section.height, round(1.9 * section.width)))), target, width=760)


def svg(drawing: Path, target: Path) -> None:
    """Save a drawing."""
    with _opened(drawing.absolute().as_uri(), 800, 600) as opened:
        _save(_image(opened.locator("svg").first.screenshot()), target, width=800)


def mlflow(suite: str, variant: str, folder: Path, *, command: Sequence[str]) -> None:
    """Save the views of a suite. `variant`: one of its variants."""
    from bench.tracking.views import BY_VARIANT, EVERY_SEED, SAMPLES

    with _served(command) as links:
        experiment, view = links[suite]
        with _opened(experiment + view, 1440, 1000) as opened:
            charts = opened.get_by_test_id("experiment-view-compare-runs-chart-area")
            charts.locator(".barlayer path").nth(1).wait_for(state="attached")
            _close_assistant(opened)
            time.sleep(5)  # the other charts
            _save(_image(opened.screenshot()), folder / "mlflow-charts.png", width=WIDTH)
        with _opened(experiment + view.replace(BY_VARIANT, EVERY_SEED).replace("CHART", "TABLE"), 1680, 920) as opened:
            opened.get_by_text(f"{variant}-s0", exact=True).first.wait_for()
            _close_assistant(opened)
            time.sleep(3)
            _save(_image(opened.screenshot()), folder / "mlflow-runs.png", width=WIDTH)
        with _opened(experiment + view.replace(BY_VARIANT, SAMPLES), 1440, 1420) as opened:
            opened.get_by_test_id("experiment-view-compare-runs-chart-area").locator("img").nth(1).wait_for()
            _close_assistant(opened)
            time.sleep(5)  # the other images
            _save(_image(opened.screenshot()), folder / "mlflow-samples.png", width=WIDTH)


def _close_assistant(page: Any) -> None:
    """Close the panel that MLflow opens in a new browser, if this version has it."""
    button = page.locator('[data-component-id="mlflow.assistant.chat_panel.close"]')
    if button.count():
        button.first.click()


@contextmanager
def _served(command: Sequence[str]) -> Iterator[dict[str, tuple[str, str]]]:
    """Context manager that runs `ganbench ui`, and yields the link of each experiment as (address of the experiment, view)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = Path("build/pictures/ui.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--port", str(port)], stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + PATIENCE / 1000
        while not LINK.search(log.read_text()) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.2)
        time.sleep(1)  # all links are printed together
        links = {name: (address, view) for name, address, view in LINK.findall(log.read_text())}
        if not links:
            raise SystemExit(f"`ganbench ui` has printed no link: {log.read_text()}")
        yield links
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


@contextmanager
def _opened(address: str, width: int, height: int) -> Iterator[Any]:
    """Context manager that yields a page in a new browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        yield page
        browser.close()


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def _image(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def _save(image: Image.Image, target: Path, *, width: int) -> None:
    """Save a picture at a width, with a palette, which makes it small."""
    if image.width != width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, buffer.getvalue())
