"""Sources of a dataset's files. Each returns unpacked bytes by file name. Callers check the hashes of these bytes."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0  # for a connection and for each read, so that a blocked network fails soon
DOWNLOAD_SECONDS = 180.0  # for one complete file, so that a slow download fails too
PROBE_SECONDS = 3.0  # for a check whether a source answers
APT_UPDATE_SECONDS = 120.0
APT_DOWNLOAD_SECONDS = 300.0
_APT_OPTIONS = (
    "Acquire::http::Timeout=10",
    "Acquire::https::Timeout=10",
    "Acquire::Retries=0",
    "Acquire::Languages=none",
    "APT::Sandbox::User=root",
)


class Unavailable(Exception):
    """Exception of a source that cannot provide the files. The message is a short reason."""


def _cannot_probe(names: Sequence[str]) -> str:
    raise Unavailable("this source has no check; fetch the dataset to try it")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Source of files. `read` takes {file name: unpacked size in bytes} and returns {file name: unpacked bytes}.

    `probe` takes file names and fetches nothing. It returns a short text if the source is available. Both may raise Unavailable.
    """

    name: str
    read: Callable[[Mapping[str, int]], dict[str, bytes]]
    probe: Callable[[Sequence[str]], str] = _cannot_probe


def folder(path: Path) -> Source:
    """Return the source that reads the files from a folder, plain or gzipped."""
    return Source(name=str(path), read=lambda sizes: read_folder(path, sizes), probe=lambda names: _probe_folder(path, names))


def _probe_folder(path: Path, names: Sequence[str]) -> str:
    if not path.is_dir():
        raise Unavailable("there is no such folder")
    absent = [name for name in names if not (path / name).is_file() and not (path / f"{name}.gz").is_file()]
    if absent:
        raise Unavailable(f"{', '.join(absent)} not in it")
    return "the files are in it"


def read_folder(path: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """Return the named files of a folder, unpacked. It prefers `name` to `name.gz`."""
    if not path.is_dir():
        raise Unavailable("there is no such folder")
    return {name: _read_one(path, name, size) for name, size in sizes.items()}


def _read_one(path: Path, name: str, size: int) -> bytes:
    plain, packed = path / name, path / f"{name}.gz"
    try:
        if plain.is_file():
            return plain.read_bytes()
        return unpack(packed.read_bytes(), size)
    except FileNotFoundError as error:
        raise Unavailable(f"{name} is not in it") from error
    except OSError as error:
        raise Unavailable(f"{name} cannot be read ({error.strerror or error})") from error


def unpack(content: bytes, size: int) -> bytes:
    """Gunzip at most one byte more than the expected size. So a longer file fails its hash, and a zip bomb cannot fill the memory."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(content, size + 1)
    except zlib.error as error:
        raise Unavailable(f"not a gzip file ({error})") from error


def mirrors(title: str, urls: Callable[[], Sequence[str]]) -> Source:
    """Return the source that downloads the files as `name.gz` from base URLs. It tries the URLs in order."""

    def read(sizes: Mapping[str, int]) -> dict[str, bytes]:
        """Return all files from the first mirror that has them."""
        reasons = []
        for url in urls():
            try:
                return {name: unpack(download(f"{url.rstrip('/')}/{name}.gz", limit=size + 2**20), size) for name, size in sizes.items()}
            except Unavailable as error:
                reasons.append(str(error))
        raise Unavailable("; ".join(reasons) or "there are no mirrors")

    def probe(names: Sequence[str]) -> str:
        """Return the answer of the first mirror that answers. It downloads nothing."""
        reasons = []
        for url in urls():
            try:
                return answers(f"{url.rstrip('/')}/{min(names)}.gz")
            except Unavailable as error:
                reasons.append(str(error))
        raise Unavailable("; ".join(reasons) or "there are no mirrors")

    return Source(name=title, read=read, probe=probe)


def answers(url: str) -> str:
    """Send a HEAD request to a URL and return that its host answers. Raises Unavailable if it does not."""
    host = urllib.parse.urlsplit(url).netloc
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_SECONDS):
            return f"{host} answers"
    except (OSError, ValueError) as error:
        raise Unavailable(f"{host} does not answer ({getattr(error, 'reason', None) or error})") from error


def _no_progress(count: int) -> None:
    """Report no progress."""


def download(
    url: str, *, limit: int, connect_seconds: float = CONNECT_SECONDS, total_seconds: float = DOWNLOAD_SECONDS,
    advance: Callable[[int], None] = _no_progress,
) -> bytes:  # fmt: skip
    """Return the bytes at a URL. It calls `advance` with the number of bytes of each chunk.

    Raises Unavailable for more than `limit` bytes, after `connect_seconds` without data, and after `total_seconds` in all.
    """
    deadline = time.monotonic() + total_seconds
    content = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=connect_seconds) as response:
            while chunk := response.read1(2**16):
                content += chunk
                advance(len(chunk))
                if len(content) > limit:
                    raise Unavailable(f"{url} sends more than {limit} bytes")
                if time.monotonic() > deadline:
                    raise Unavailable(f"{url} took more than {total_seconds:g} s")
    except (OSError, ValueError) as error:
        raise Unavailable(f"{url} does not answer ({getattr(error, 'reason', None) or error})") from error
    return bytes(content)


def debian_package(package: str, inside: str) -> Source:
    """Return the source that downloads and unpacks a Debian or Ubuntu package, without root and without installation."""
    return Source(
        name=f"apt-get download {package}",
        read=lambda sizes: _read_package(package, inside, sizes),
        probe=lambda names: _probe_package(package),
    )


def _probe_package(package: str) -> str:
    """Return the answer of the host from which apt downloads the package. Does not update the package lists."""
    if shutil.which("apt-get") is None:
        raise Unavailable("this machine has no apt-get")
    command = [*_apt(), "--print-uris", "download", package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10 * PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"apt-get cannot be run ({error})") from error
    urls = [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("'")]
    if not urls:
        raise Unavailable("the package is not in this machine's package lists; `ganbench data fetch` downloads new lists")
    return answers(urls[0])


def _read_package(package: str, inside: str, sizes: Mapping[str, int]) -> dict[str, bytes]:
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise Unavailable(f"this machine has no {' and no '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="ganbench-apt-") as temporary:
        work = Path(temporary)
        archive = _apt_download(package, work)
        _call(["dpkg-deb", "-x", str(archive), str(work / "files")], work, APT_DOWNLOAD_SECONDS)
        return read_folder(work / "files" / inside, sizes)


def _apt_download(package: str, work: Path) -> Path:
    """Download the package by the system's package lists. If that fails, use new lists, because a container may have none, or old ones."""
    try:
        _call([*_apt(), "download", package], work, APT_DOWNLOAD_SECONDS)
    except Unavailable as error:
        log.info("%s; trying again with new package lists", error)
        private = _private_lists(work)
        try:
            _call([*_apt(*private), "update"], work, APT_UPDATE_SECONDS)
        except Unavailable as problem:  # one of several repositories may fail, and the download may still succeed
            log.info("%s", problem)
        _call([*_apt(*private), "download", package], work, APT_DOWNLOAD_SECONDS)
    archives = list(work.glob("*.deb"))
    if len(archives) != 1:
        raise Unavailable(f"apt-get downloaded {len(archives)} archives, not one")
    return archives[0]


def _private_lists(work: Path) -> tuple[str, ...]:
    """Return options that put apt's lists and caches into a temporary folder, so that `update` needs no root."""
    for part in ("state/lists/partial", "cache/archives/partial"):
        (work / part).mkdir(parents=True)
    lists, caches = work / "state" / "lists", work / "cache"
    return (f"Dir::State={lists.parent}", f"Dir::State::lists={lists}", "Dir::State::status=/var/lib/dpkg/status", f"Dir::Cache={caches}")


def _apt(*options: str) -> list[str]:
    return ["apt-get", "-q", *(part for option in (*_APT_OPTIONS, *options) for part in ("-o", option))]


def _call(command: list[str], work: Path, timeout_seconds: float) -> None:
    """Run a command in a folder. Raises Unavailable with the last line of its stderr."""
    what = next((f"{command[0]} {word}" for word in command if word in ("update", "download")), command[0])
    try:
        done = subprocess.run(
            command,
            cwd=work,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{what} took more than {timeout_seconds:g} s") from error
    except OSError as error:
        raise Unavailable(f"{what} cannot be started ({error.strerror or error})") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise Unavailable(f"{what}: {lines[-1].removeprefix('E: ')}")
