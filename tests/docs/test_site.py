"""The documentation site: a strict build, and its pages in a real browser, from disk and from a server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from documented import ROOT

pytestmark = pytest.mark.slow
pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")

TASKS = [
    "Getting started", "Compare variants", "Your own data", "Your own variant, loss or metric", "Tune fairly (studies)", "Read the report",
    "MLflow", "Metrics", "Variants", "Resume and crash safety", "Clusters and servers", "Performance", "FAQ and troubleshooting",
    "API reference",
]  # fmt: skip  # the pages by task, in the order of the navigation
HEADINGS = {"MLflow": "Comparing runs in MLflow"}  # where they differ from the navigation


def mkdocs(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Build a site with MkDocs and return the ended process."""
    command = [sys.executable, "-m", "mkdocs", "build", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = mkdocs("--site-dir", str(folder))
    assert built.returncode == 0, built.stderr[-3000:]
    return folder


class Silent(SimpleHTTPRequestHandler):
    """Handler of a static server without a log."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Return the address of a server of the site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Opened:
    """Page in a browser, with its console messages and requests."""

    def __init__(self, browser: Any, url: str, *, width: int = 1440) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.noise: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.noise.append(message.text))
        self.page.on("pageerror", lambda error: self.noise.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()

    def title(self) -> str:
        """Return the text of the page's heading."""
        return str(self.page.locator("h1").first.evaluate("heading => heading.firstChild.textContent")).strip()


def test_every_page_is_built(site: Path) -> None:
    names = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    built = [name.with_name("index.html") if name.name == "README.md" else name.with_suffix(".html") for name in names]
    assert [str(name) for name in built if not (site / name).is_file()] == []
    assert [path for suffix in ("py", "sh", "csv") for path in site.rglob(f"*.{suffix}")] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a](missing.md)", "missing.md"),
        ("[a](#missing)", "#missing"),
        ("[a][missing.name]", "missing.name"),
        ("::: bench.core.spec.Missing", "Missing"),
    ],
)
def test_a_dead_link_or_an_unknown_reference_fails_the_build(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Page\n\n{text}\n")
    changes = f"docs_dir: {tmp_path}/docs\nextra_css: []\nnav: [index.md]\n"
    (tmp_path / "mkdocs.yml").write_text(f"INHERIT: {ROOT}/mkdocs.yml\n{changes}")
    built = mkdocs("--config-file", str(tmp_path / "mkdocs.yml"), "--site-dir", str(tmp_path / "site"))
    assert built.returncode != 0
    assert message in built.stderr


def test_the_site_opens_from_disk_and_loads_nothing_else(browser: Any, site: Path) -> None:
    with Opened(browser, (site / "index.html").as_uri()) as opened:
        assert opened.title() == "ganbench"
        assert opened.page.locator("article img").first.evaluate("image => image.naturalWidth") > 0
        assert not opened.page.locator(".md-header .md-search__input").is_visible(), "the search does not work from disk, so it is hidden"
        names = [name.strip() for name in opened.page.locator(".md-sidebar--primary .md-nav__link .md-ellipsis").all_inner_texts()]
        assert [name for name in names if name in TASKS] == TASKS
        for name in TASKS:
            opened.page.locator(".md-sidebar--primary").get_by_role("link", name=name, exact=True).first.click()
            opened.page.wait_for_load_state()
            assert opened.title() == HEADINGS.get(name, name)
        assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
        assert opened.noise == []


@pytest.mark.parametrize("name", ["index", "compare-variants", "metrics", "variants", "api", "commands", "examples/quick/report"])
def test_a_page_fits_a_phone(browser: Any, site: Path, name: str) -> None:
    with Opened(browser, (site / f"{name}.html").as_uri(), width=390) as opened:
        assert opened.page.evaluate("document.scrollingElement.scrollWidth") <= 390


def test_the_search_finds_a_page(browser: Any, address: str) -> None:
    with Opened(browser, f"{address}/index.html") as opened:
        opened.page.locator(".md-search__input").click()
        opened.page.locator(".md-search__input").fill("stale lock")
        opened.page.locator(".md-search-result__link").first.wait_for(timeout=20_000)
        opened.page.locator(".md-search-result__link", has_text="Resume and crash safety").first.click()
        opened.page.wait_for_url("**/resuming.html*")
        assert [url for url in opened.requests if not url.startswith((address, "data:", "blob:"))] == []


def test_the_api_reference_has_signatures(browser: Any, site: Path) -> None:
    with Opened(browser, (site / "api.html").as_uri()) as opened:
        text = opened.page.locator("article").inner_text()
        for signature in ("load_generator(\n    run_id: str", "Variant(\n    *,\n    name: str,", "register(\n    name: str", "Card("):
            assert signature in text or signature.replace("\n    ", "").replace(",", ", ").strip() in text, signature
        sources = opened.page.locator("details", has_text="Source code").filter(has_text="learning rate of the player d")
        assert sources.count() == 1, "GanRecipe shows its fields"
