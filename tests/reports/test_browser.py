"""The report in a real browser: it stands alone, fits the window, and makes no noise."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.build import write
from reports.document import Document

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def page_file(quick_report: Document, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(quick_report, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_stands_alone_and_fits(browser, page_file: Path, width: int, scheme: str) -> None:  # type: ignore[no-untyped-def]
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    noise: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri())
    assert page.title().startswith("Suite quick")
    assert noise == []
    assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    missing = "[...document.images].filter(image => image.naturalWidth === 0).length"
    assert page.evaluate("document.images.length") > 20
    assert page.evaluate(missing) == 0
    page.close()


def test_the_contents_lead_to_every_section(browser, page_file: Path) -> None:  # type: ignore[no-untyped-def]
    page = browser.new_page()
    page.goto(page_file.as_uri())
    links = page.evaluate("[...document.querySelectorAll('nav a')].map(link => link.hash.slice(1))")
    assert len(links) >= 8
    assert page.evaluate("ids => ids.filter(id => !document.getElementById(id))", links) == []
    page.close()
