"""Sources that are one gzipped tar archive of known hash. They read members into memory by name and extract nothing to a path."""

from __future__ import annotations

import hashlib
import io
import tarfile
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.data.fetched import KnownFile
from bench.data.progress import progress
from bench.data.sources import Source, Unavailable, answers, download

ARCHIVE_SECONDS = 600.0  # for one archive of some hundred megabytes


def cached_archive(path: Callable[[], Path], *, archive: KnownFile, inside: str) -> Source:
    """Return the source that reads an archive which the user put into the cache. It calls `path` at each use, because the cache can move."""

    def content() -> bytes:
        """Return the bytes of the archive."""
        try:
            return path().read_bytes()
        except FileNotFoundError as error:
            raise Unavailable("no such file") from error
        except OSError as error:
            raise Unavailable(f"it cannot be read ({error.strerror or error})") from error

    def probe(names: Sequence[str]) -> str:
        if not path().is_file():
            raise Unavailable("no such file")
        return "the file exists"

    return Source(
        name=f"{archive.name} in the cache",
        read=lambda sizes: members(content(), sizes, archive=archive, inside=inside),
        probe=probe,
    )


def online_archive(url: str, *, archive: KnownFile, inside: str) -> Source:
    """Return the source of an archive at a URL. The cache stores only its members."""

    def content() -> bytes:
        """Return the bytes of the archive, downloaded with a progress bar."""
        with progress(f"downloading {archive.name}, bytes", archive.size_bytes) as advance:
            return download(url, limit=archive.size_bytes, total_seconds=ARCHIVE_SECONDS, advance=advance)

    return Source(
        name=urllib.parse.urlsplit(url).netloc,
        read=lambda sizes: members(content(), sizes, archive=archive, inside=inside),
        probe=lambda names: answers(url),
    )


def members(content: bytes, sizes: Mapping[str, int], *, archive: KnownFile, inside: str) -> dict[str, bytes]:
    """Check the hash of an archive, then return the named files in its folder `inside`."""
    if hashlib.sha256(content).hexdigest() != archive.sha256:
        raise Unavailable(f"{archive.name} is corrupted: {len(content):,} bytes of {archive.size_bytes:,}, wrong SHA-256")
    found = {}
    wanted = {f"{inside}/{name}": name for name in sizes}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            for member in tar:
                name = wanted.get(member.name)
                file = tar.extractfile(member) if name and member.isfile() else None
                if name and file:
                    found[name] = file.read(sizes[name] + 1)  # so that a longer file fails its hash
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Unavailable(f"{archive.name} is not a gzipped tar archive ({error})") from error
    if absent := sizes.keys() - found.keys():
        raise Unavailable(f"{', '.join(sorted(absent))} not in {archive.name}")
    return found
