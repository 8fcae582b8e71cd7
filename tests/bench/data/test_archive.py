"""Tests of archives as sources. The hash is checked first, members are read by exact name, and nothing is extracted to disk."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from bench.data.archive import cached_archive, members, online_archive
from bench.data.fetched import KnownFile
from bench.data.sources import Unavailable

SIZES = {"a.bin": 3, "b.bin": 2}


def packed(files: dict[str, bytes], *, links: dict[str, str] | None = None) -> bytes:
    """Return a gzipped tar archive of these files and symbolic links."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return content.getvalue()


def known(content: bytes) -> KnownFile:
    """Return the name, size and SHA-256 of an archive with this content."""
    return KnownFile(name="data.tar.gz", size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def test_members_are_picked_by_their_names_and_nothing_is_extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = packed({"in/a.bin": b"abc", "a.bin": b"no", "../../a.bin": b"no", "in/readme": b"text", "in/b.bin": b"de"})
    assert members(content, SIZES, archive=known(content), inside="in") == {"a.bin": b"abc", "b.bin": b"de"}
    assert not list(tmp_path.iterdir())


def test_a_member_is_read_no_further_than_one_byte_past_its_size() -> None:
    content = packed({"in/a.bin": b"a" * 10_000, "in/b.bin": b"de"})
    assert members(content, SIZES, archive=known(content), inside="in")["a.bin"] == b"aaaa", (
        "a member that is too long is not cut one byte past its size"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed({"in/a.bin": b"abc"}), "b.bin not in data.tar.gz"),
        (packed({"in/a.bin": b"abc"}, links={"in/b.bin": "/etc/passwd"}), "b.bin not in data.tar.gz"),
        (b"no archive", "not a gzipped tar archive"),
        (packed({"in/a.bin": bytes(9000), "in/b.bin": b"de"})[:-40], "not a gzipped tar archive"),
    ],
    ids=lambda value: "content" if isinstance(value, bytes) else None,
)
def test_another_file_is_unavailable(content: bytes, message: str) -> None:
    with pytest.raises(Unavailable, match=message):
        members(content, SIZES, archive=known(content), inside="in")


def test_a_wrong_hash_is_refused_before_anything_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed({"in/a.bin": b"abc", "in/b.bin": b"de"})
    monkeypatch.setattr(tarfile, "open", lambda **_: pytest.fail("the archive is opened before its hash is checked"))
    with pytest.raises(Unavailable, match=r"data\.tar\.gz is corrupted: .* wrong SHA-256"):
        members(content + b"\0", SIZES, archive=known(content), inside="in")


def test_an_archive_in_a_folder(tmp_path: Path) -> None:
    content = packed({"in/a.bin": b"abc", "in/b.bin": b"de"})
    source = cached_archive(lambda: tmp_path / "data.tar.gz", archive=known(content), inside="in")
    assert source.name == "data.tar.gz in the cache"
    for ask in (lambda: source.read(SIZES), lambda: source.probe(list(SIZES))):
        with pytest.raises(Unavailable, match="no such file"):
            ask()
    (tmp_path / "data.tar.gz").write_bytes(content)
    assert source.read(SIZES) == {"a.bin": b"abc", "b.bin": b"de"}
    assert source.probe(list(SIZES)) == "the file exists"


def test_an_archive_at_a_url_is_read_no_further_than_its_size(tmp_path: Path) -> None:
    content = packed({"in/a.bin": b"abc", "in/b.bin": b"de"})
    path = tmp_path / "data.tar.gz"
    path.write_bytes(content)
    source = online_archive(path.as_uri(), archive=known(content), inside="in")
    assert source.read(SIZES) == {"a.bin": b"abc", "b.bin": b"de"}
    path.write_bytes(content + b"more")
    with pytest.raises(Unavailable, match=f"sends more than {len(content)} bytes"):
        source.read(SIZES)


def test_a_place_online_is_named_by_its_host() -> None:
    assert online_archive("https://host.invalid/some/data.tar.gz", archive=known(b""), inside="in").name == "host.invalid"
