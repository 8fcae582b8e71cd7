"""One page that needs nothing else and runs nothing."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from synthetic_results import Made, made, results

from reports.build import build
from reports.document import Document
from reports.html import html

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Page(HTMLParser):
    """Tags, links and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def page(quick_report: Document) -> Page:
    return Page(html(quick_report))


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    assert page.all("src")
    assert all(source.startswith("data:image/") for source in page.all("src"))
    assert all(link.startswith(("#", "data:")) for link in page.all("href"))
    assert not {"script", "iframe", "object", "embed", "base"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_every_link_of_the_contents_has_its_target_and_every_id_is_one(page: Page) -> None:
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.all("href") if link.startswith("#")} <= set(ids)


def test_every_picture_has_words(page: Page) -> None:
    assert len(page.all("alt")) == page.tags.count("img")
    assert all(page.all("alt"))


def test_the_page_stays_small(quick_report: Document) -> None:
    assert len(html(quick_report).encode()) < 5_000_000


def test_hostile_names_come_out_as_text() -> None:
    runs = [
        Made(variant=HOSTILE, fid=9.0, columns={"note": HOSTILE, "reason": HOSTILE}),
        Made(variant="b", status="failed", columns={"reason": HOSTILE}),
    ]
    page = Page(html(build(results([*runs, *made({"c": (1.0, 2.0, 3.0)})]), title=HOSTILE)))
    assert "script" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert page.text.count(HOSTILE) >= 4
