"""Servers of docs/deploy, which their script starts in a temporary folder and on free ports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import postgres
from serving import free_port

SCRIPT = Path(__file__).parents[2] / "docs" / "deploy" / "serve.sh"
SECRETS = ("ADMIN_PASSWORD", "STUDIES_PASSWORD", "MLFLOW_PASSWORD", "POSTGRES_PASSWORD", "FLASK_KEY")


@dataclass(frozen=True, kw_only=True)
class Servers:
    """MLflow and PostgreSQL servers in a folder."""

    folder: Path
    port: int
    database_port: int

    @property
    def uri(self) -> str:
        """Return the URI of MLflow."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def secrets(self) -> dict[str, str]:
        """Return the secrets that the script has created, by name."""
        lines = (self.folder / "secrets").read_text().splitlines()
        return {line.partition("=")[0].removeprefix("GANBENCH_"): line.partition("=")[2] for line in lines}

    def call(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Call the script."""
        return call(*words, "--folder", str(self.folder), **environment)

    def start(self) -> None:
        """Start both servers."""
        done = self.call("start", "--port", str(self.port), "--database-port", str(self.database_port), "--workers", "1")
        assert done.returncode == 0, done.stderr

    def dump(self, database: str, *words: str) -> bytes:
        """Return a dump of a database."""
        role = "studies" if database == "studies" else "mlflow"
        environment = {**os.environ, "PGPASSWORD": self.secrets[f"{role.upper()}_PASSWORD"]}
        connection = ["-h", "127.0.0.1", "-p", str(self.database_port), "-U", role, database]
        return subprocess.run(["pg_dump", *words, *connection], env=environment, check=True, capture_output=True).stdout


def call(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call the script with the MLflow of this Python."""
    given = {**os.environ, "MLFLOW": str(Path(sys.executable).with_name("mlflow")), **environment}
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        given.pop(name, None)
    return subprocess.run([str(SCRIPT), *words], env=given, capture_output=True, text=True, check=False, timeout=180)


@contextmanager
def deployed() -> Iterator[Servers]:
    """Context manager that starts both servers and stops them at the end."""
    with postgres.open_folder() as folder:
        servers = Servers(folder=folder, port=free_port(), database_port=free_port())
        try:
            servers.start()
            yield servers
        finally:
            servers.call("stop")


def addresses(port: int) -> set[str]:
    """Return the addresses on which this machine listens at a port, as in `/proc/net/tcp`."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            address, state = line.split()[1], line.split()[3]
            if state == "0A" and int(address.rpartition(":")[2], 16) == port:
                found.add(address.rpartition(":")[0])
    return found


LOOPBACK = {"0100007F"}  # 127.0.0.1


def ganbench(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Execute the command in a folder, without the environment variables for stores."""
    folder.mkdir(exist_ok=True)
    given = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_TRACKING", "PG"))}
    given |= {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": str(SCRIPT.parents[2]), **environment}
    return subprocess.run(
        [str(Path(sys.executable).with_name("ganbench")), *words],
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def files_with(folder: Path, *secrets: str) -> list[tuple[Path, str]]:
    """Return the files with a secret in their name or content."""
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    return [(file, secret) for file in files for secret in secrets if secret.encode() in file.read_bytes() or secret in str(file)]
