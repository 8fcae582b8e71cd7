"""Tests of sources: time and size limits of downloads, mirrors, folders, packages and probes."""

from __future__ import annotations

import gzip
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from bench.data import sources
from bench.data.sources import Unavailable


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Context manager that runs a server with a single answer, which the test writes. Yields the URL of the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                connection, _ = listener.accept()
                with connection:
                    answer(connection)
            except OSError:
                pass  # the client closes the connection, as it should

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread.join(timeout=10)


def respond(body: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)

    return answer


def test_a_download_reports_its_progress() -> None:
    counts: list[int] = []
    with server(respond(b"x" * 200_000)) as url:
        assert len(sources.download(url, limit=10**6, advance=counts.append)) == 200_000
    assert sum(counts) == 200_000
    assert len(counts) > 1


@pytest.mark.slow
def test_a_server_that_never_answers_is_given_up():
    with server(lambda connection: time.sleep(2)) as url:
        begin = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            sources.download(f"{url}/file", limit=100, connect_seconds=0.2)
        assert time.monotonic() - begin < 1.5


def test_a_trickle_is_given_up():
    def trickle(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        for _ in range(40):
            connection.sendall(b"x")
            time.sleep(0.05)

    with server(trickle) as url, pytest.raises(Unavailable, match=r"took more than 0.3 s"):
        sources.download(f"{url}/file", limit=100, connect_seconds=1, total_seconds=0.3)


def test_more_than_was_expected_is_refused():
    with server(respond(b"x" * 1000)) as url, pytest.raises(Unavailable, match="more than 100 bytes"):
        sources.download(f"{url}/file", limit=100)


def test_nobody_listening_is_a_reason_and_no_traceback():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable, match="does not answer"):
        sources.download(f"http://127.0.0.1:{port}/file", limit=100)


def test_a_mirror_gives_unpacked_bytes_and_a_dead_one_is_passed_over():
    with server(respond(gzip.compress(b"pixels"))) as url:
        source = sources.mirrors("two mirrors", lambda: ["http://127.0.0.1:9/", url])
        assert source.read({"file": 6}) == {"file": b"pixels"}


def test_a_gzip_bomb_is_cut_off():
    assert sources.unpack(gzip.compress(bytes(10_000_000)), 1000) == bytes(1001)


def test_what_is_not_gzip_is_unavailable():
    with pytest.raises(Unavailable, match="not a gzip file"):
        sources.unpack(b"<html>sign in to this network</html>", 100)


def test_a_folder_has_files_plain_or_packed(tmp_path: Path):
    (tmp_path / "plain").write_bytes(b"one")
    (tmp_path / "packed.gz").write_bytes(gzip.compress(b"two"))
    assert sources.folder(tmp_path).read({"plain": 3, "packed": 3}) == {"plain": b"one", "packed": b"two"}
    with pytest.raises(Unavailable, match="absent is not in it"):
        sources.folder(tmp_path).read({"absent": 3})
    with pytest.raises(Unavailable, match="no such folder"):
        sources.folder(tmp_path / "nowhere").read({"plain": 3})


APT = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
*update) touch "{log}.updated" ;;
*download*) if [ -e "{log}.updated" ]; then cp "{archive}" . ; else echo "E: Unable to locate package made" >&2; exit 100; fi ;;
esac
"""


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
def test_a_package_is_unpacked_after_an_update_of_private_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tree, log = tmp_path / "tree", tmp_path / "log"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: made\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: made\n"
    )
    (tree / "usr/share/made").mkdir(parents=True)
    (tree / "usr/share/made/file.gz").write_bytes(gzip.compress(b"packed"))
    archive = tmp_path / "made_1_all.deb"
    sources._call(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(archive)], tmp_path, 60)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "apt-get").write_text(APT.format(log=log, archive=archive))
    (programs / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")

    assert sources.debian_package("made", "usr/share/made").read({"file": 6}) == {"file": b"packed"}
    verbs = [line.split()[-2:] for line in log.read_text().splitlines()]
    assert [verb[-1] for verb in verbs] == ["made", "update", "made"]
    assert "Dir::State=" in log.read_text().splitlines()[1], "apt-get updates the lists of the system, which needs root"


def test_a_machine_without_apt_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="no apt-get"):
        sources.debian_package("made", "usr/share/made").read({"file": 6})


def test_a_command_that_hangs_is_given_up(tmp_path: Path):
    with pytest.raises(Unavailable, match=r"took more than 0.2 s"):
        sources._call(["sleep", "5"], tmp_path, 0.2)


def test_probes_fetch_nothing_and_say_what_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.gz").touch()
    (tmp_path / "b").touch()
    assert sources.folder(tmp_path).probe(["a", "b"]) == "the files are in it"
    with pytest.raises(Unavailable, match="c not in it"):
        sources.folder(tmp_path).probe(["a", "c"])
    with pytest.raises(Unavailable, match="no such folder"):
        sources.folder(tmp_path / "nowhere").probe(["a"])
    monkeypatch.setattr(sources, "PROBE_SECONDS", 0.5)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9 does not answer .*refused.*; 127\.0\.0\.1:9 does not"):
        sources.mirrors("two", lambda: ["http://127.0.0.1:9/x", "http://127.0.0.1:9/y"]).probe(["a"])
    with pytest.raises(Unavailable, match="this source has no check"):
        sources.Source(name="plain", read=lambda sizes: {}).probe(["a"])


def test_a_probe_of_a_mirror_sends_a_head_request(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = []

    def urlopen(request: urllib.request.Request, timeout: float) -> nullcontext[None]:
        requests.append((request.get_method(), request.full_url, timeout))
        return nullcontext()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    assert sources.mirrors("one", lambda: ["http://mirror.example/x/"]).probe(["b", "a"]) == "mirror.example answers"
    assert requests == [("HEAD", "http://mirror.example/x/a.gz", sources.PROBE_SECONDS)]


def test_a_package_is_looked_for_where_apt_would_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    package = sources.debian_package("pictures", "usr/share/pictures")
    monkeypatch.setattr(sources.shutil, "which", lambda tool: None)
    with pytest.raises(Unavailable, match="no apt-get"):
        package.probe([])
    monkeypatch.setattr(sources.shutil, "which", lambda tool: tool)
    monkeypatch.setattr(sources, "answers", lambda url: f"{url} answers")
    for listed, answer in (("'http://deb.example/p.deb' p.deb 1 SHA256:0\n", "http://deb.example/p.deb answers"), ("", None)):
        done = subprocess.CompletedProcess([], 0, stdout=listed, stderr="")
        monkeypatch.setattr(sources.subprocess, "run", lambda *args, done=done, **options: done)
        if answer:
            assert package.probe([]) == answer
        else:
            with pytest.raises(Unavailable, match="not in this machine's package lists"):
                package.probe([])
