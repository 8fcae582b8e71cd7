"""Temporary PostgreSQL server for tests, from any installed version."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MISSING = "PostgreSQL is not installed; on Debian, run: apt-get install postgresql"


def binaries() -> Path | None:
    """Return the folder of initdb and pg_ctl, or None if PostgreSQL is not installed."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


@contextmanager
def open_folder() -> Iterator[Path]:
    """Context manager that yields a temporary folder with access for other users, who have no access to pytest's folders."""
    with TemporaryDirectory(prefix="ganbench-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def server() -> Iterator[str]:
    """Context manager that starts a server and yields its URI. As root, it starts the server as another user."""
    with open_folder() as folder:
        yield from _server_in(folder)


def _server_in(folder: Path) -> Iterator[str]:
    bin_ = binaries()
    assert bin_ is not None
    user = _other_user() if os.geteuid() == 0 else None
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user:
        shutil.chown(data, user)
        shutil.chown(folder, user)
    port = _free_port()
    name = user or pwd.getpwuid(os.geteuid()).pw_name
    _run(user, bin_ / "initdb", "-D", data, "-U", name, "-A", "trust", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    _run(user, bin_ / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start")
    try:
        yield f"postgresql://{name}@127.0.0.1:{port}/postgres"
    finally:
        _run(user, bin_ / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def _run(user: str | None, *words: str | Path) -> None:
    command = [str(word) for word in words]
    command = ["setpriv", "--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups", *command] if user else command
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, cwd="/")


def _other_user() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
