"""The servers of docs/deploy start, require passwords, leak none, and can be restored from a backup."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import postgres
import pytest
from deployed import LOOPBACK, SCRIPT, Servers, addresses, call, deployed, files_with, ganbench
from serving import free_port

from bench.tracking.client import Tracker

ROOT = Path(__file__).parents[2]
PASSWORD = "anna's pass-phrase: 1/2@%x"
QUOTED = "anna%27s%20pass-phrase%3A%201%2F2%40%25x"  # the password as it is quoted in a URI
SHORT = ["--set", "budget.images=1280", "--set", "recipe.width=8", "--set", "evaluation.samples=500", "--set", "evaluation.marks=2"]
needs_postgres = pytest.mark.skipif(postgres.binaries() is None, reason=postgres.MISSING)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with deployed() as both:
        created = both.call("user", "anna", GANBENCH_USER_PASSWORD=PASSWORD)
        assert created.returncode == 0, created.stderr
        yield both


@pytest.fixture
def open_path() -> Iterator[Path]:
    with postgres.open_folder() as folder:
        yield folder


def anna(servers: Servers) -> dict[str, str]:
    """Return the environment variables of the user anna."""
    return {"MLFLOW_TRACKING_URI": servers.uri, "MLFLOW_TRACKING_USERNAME": "anna", "MLFLOW_TRACKING_PASSWORD": PASSWORD}


def assert_no_leak(servers: Servers, folder: Path, *outputs: str) -> None:
    """Assert that no file, output, log or database has a secret, except the file `secrets` of the servers."""
    secrets = (PASSWORD, QUOTED, *servers.secrets.values())
    assert len(secrets) == 7
    assert min(len(secret) for secret in secrets) >= 12
    assert not [secret for secret in secrets for text in outputs if secret in text]
    assert not files_with(folder, *secrets)
    assert not files_with(servers.folder / "artifacts", *secrets)
    dumps = [servers.dump(database) for database in ("mlflow", "auth", "studies")]
    assert b"dcgan" in dumps[0]
    assert not [secret for secret in secrets for dump in dumps if secret.encode() in dump]
    holders = {file.name for file, _ in files_with(servers.folder, *secrets)}
    assert holders == {"secrets"}, holders


@pytest.mark.faults
@needs_postgres
def test_a_suite_its_report_and_its_scores_through_the_servers(servers: Servers, tmp_path: Path) -> None:
    folder = tmp_path / "client"
    outputs = []
    for words in (
        ("suite", "smoke", "--only", "dcgan", "--seeds", "1", *SHORT),
        ("score", "--suite", "smoke"),
        ("list", "suites"),
        ("report", "--suite", "smoke", "--csv", "table"),
        ("run", "dcgan", "--dataset", "digits", "--seed", "1", *SHORT),
    ):
        done = ganbench(folder, *words, **anna(servers))
        assert done.returncode == 0, done.stderr
        outputs += [done.stdout, done.stderr]
    assert "1 run done now (1 finished)" in outputs[0]
    assert "1 run measured again" in outputs[2]
    assert (folder / "build" / "report" / "smoke" / "index.html").is_file()
    assert_no_leak(servers, folder, *outputs)


@pytest.mark.faults
@needs_postgres
def test_a_password_within_the_uri_goes_nowhere_either(servers: Servers, tmp_path: Path) -> None:
    folder = tmp_path / "client"
    uri = servers.uri.replace("://", f"://anna:{QUOTED}@")
    done = [
        ganbench(folder, "run", "dcgan", "--dataset", "digits", "--seed", "2", *SHORT, MLFLOW_TRACKING_URI=uri),
        ganbench(folder, "report", "--suite", "runs", MLFLOW_TRACKING_URI=uri),
        ganbench(folder, "doctor", MLFLOW_TRACKING_URI=uri),
    ]
    assert [one.returncode for one in done] == [0, 0, 0], done
    assert_no_leak(servers, folder, *(text for one in done for text in (one.stdout, one.stderr)))


@pytest.mark.faults
@needs_postgres
def test_databases_alone_with_the_passwords_in_their_uris(servers: Servers, tmp_path: Path) -> None:
    """A study in one database has its MLflow runs in another. Two workers receive both URIs, and no password leaks."""
    folder = tmp_path / "client"
    storage = f"postgresql://studies:{servers.secrets['STUDIES_PASSWORD']}@127.0.0.1:{servers.database_port}/studies"
    words = ("study", "lr-k-quick", "--variants", "dcgan", "--trials", "2", "--seeds", "1", "--dataset", "digits", "--workers", "2")
    with postgres.server() as trusting:
        uri = trusting.replace("@", f":{QUOTED}@")  # this server requires no password, but the URI has one
        done = [
            ganbench(folder, *words, "--storage", storage, *SHORT, MLFLOW_TRACKING_URI=uri),
            ganbench(folder, "report", "--suite", "lr-k-quick", MLFLOW_TRACKING_URI=uri),
        ]
        assert [one.returncode for one in done] == [0, 0], done
        dump = subprocess.run(["pg_dump", trusting], check=True, capture_output=True).stdout
    assert b"dcgan" in dump
    assert not [secret for secret in (QUOTED, PASSWORD, servers.secrets["STUDIES_PASSWORD"]) if secret.encode() in dump]
    assert_no_leak(servers, folder, *(text for one in done for text in (one.stdout, one.stderr)))


@pytest.mark.faults
@needs_postgres
def test_studies_with_the_password_in_the_environment(servers: Servers, tmp_path: Path) -> None:
    folder = tmp_path / "client"
    storage = f"postgresql://studies@127.0.0.1:{servers.database_port}/studies"
    words = ("study", "lr-k-quick", "--variants", "lsgan", "--trials", "1", "--seeds", "1", "--dataset", "digits", "--storage", storage)
    done = ganbench(folder, *words, *SHORT, **anna(servers), PGPASSWORD=servers.secrets["STUDIES_PASSWORD"])
    assert done.returncode == 0, done.stderr
    wrong = ganbench(folder, *words, *SHORT, **anna(servers), PGPASSWORD="not-the-password")
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1
    assert "password authentication failed" in wrong.stderr
    assert_no_leak(servers, folder, done.stdout, done.stderr, wrong.stderr)


@pytest.mark.faults
@needs_postgres
@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "asks for a user and a password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (
            {"MLFLOW_TRACKING_USERNAME": "anna", "MLFLOW_TRACKING_PASSWORD": "s3cret-but-wrong"},
            "refuses the user or the password of MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; correct them",
        ),
        (
            {"MLFLOW_TRACKING_URI": "http://anna:s3cret-but-wrong@{host}"},
            "refuses the user or the password in MLFLOW_TRACKING_URI; correct them",
        ),
    ],
)
def test_no_password_and_a_wrong_one_are_one_line(servers: Servers, tmp_path: Path, environment: dict[str, str], message: str) -> None:
    folder, host = tmp_path / "client", servers.uri.partition("://")[2]
    given = {"MLFLOW_TRACKING_URI": servers.uri} | {name: value.format(host=host) for name, value in environment.items()}
    verbs = (("suite", "smoke", "--only", "dcgan", "--seeds", "1"), ("report", "--suite", "smoke"), ("score", "--suite", "smoke"))
    for words in verbs if "MLFLOW_TRACKING_PASSWORD" in environment else verbs[:1]:
        done = ganbench(folder, *words, **given)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"ganbench: the tracking store {servers.uri} {message}\n"
    assert list(folder.iterdir()) == []


@pytest.mark.faults
@needs_postgres
def test_this_machine_alone_can_reach_them_and_no_process_shows_a_secret(servers: Servers) -> None:
    assert addresses(servers.port) == LOOPBACK
    assert addresses(servers.database_port) == LOOPBACK
    command_lines = b"\0".join(file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists())
    assert b"basic-auth" in command_lines
    assert not [name for name, secret in servers.secrets.items() if secret.encode() in command_lines]
    assert [(servers.folder / name).stat().st_mode & 0o077 for name in ("secrets", "mlflow.log", "auth.ini", "settings")] == [0] * 4


@pytest.mark.faults
@needs_postgres
def test_a_restored_backup_equals_the_original(servers: Servers, open_path: Path) -> None:
    assert ganbench(open_path / "client", "run", "dcgan", "--dataset", "digits", "--seed", "3", *SHORT, **anna(servers)).returncode == 0
    backup = servers.call("backup", str(open_path / "backup"))
    assert backup.returncode == 0, backup.stderr
    assert {file.stat().st_mode & 0o077 for file in (open_path / "backup").iterdir()} == {0}
    assert "MLflow runs: stop first" in servers.call("restore", str(open_path / "backup")).stderr
    other = Servers(folder=open_path / "server", port=free_port(), database_port=free_port())
    ports = ("--port", str(other.port), "--database-port", str(other.database_port))
    for _ in range(2):  # first into a new folder, then over the restored data
        restored = other.call("restore", str(open_path / "backup"), *ports)
        assert restored.returncode == 0, restored.stderr
    try:
        other.start()
        for database in ("mlflow", "auth", "studies"):
            assert rows(other, database) == rows(servers, database)
        assert tree(other.folder / "artifacts") == tree(servers.folder / "artifacts")
        done = ganbench(open_path / "client", "report", "--suite", "runs", **anna(other))
        assert done.returncode == 0, done.stderr
    finally:
        other.call("stop")


def rows(servers: Servers, database: str) -> list[bytes]:
    """Return all rows of a database, sorted."""
    return sorted(line for line in servers.dump(database, "--data-only", "--inserts").splitlines() if line.startswith(b"INSERT"))


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.faults
@needs_postgres
def test_started_twice_stopped_twice_and_its_state() -> None:
    with deployed() as servers:
        assert servers.call("start").returncode == 0
        assert servers.call("status").returncode == 0
        other = servers.call("start", "--workers", "3")
        assert (other.returncode, other.stderr) == (2, "error: it runs with other settings: stop first\n")
        assert [servers.call("stop").returncode for _ in range(2)] == [0, 0]
        state = servers.call("status")
        assert (state.returncode, state.stdout) == (3, "PostgreSQL is stopped\nMLflow is stopped\n")
        assert addresses(servers.port) == addresses(servers.database_port) == set()


@pytest.mark.faults
@needs_postgres
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed; it creates the certificate")
def test_other_machines_need_tls(open_path: Path) -> None:
    folder, key, certificate = open_path / "server", open_path / "key.pem", open_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    for option in ("--host", "--database-host"):
        plain = call("start", "--folder", str(folder), option, "0.0.0.0")
        assert plain.returncode == 2
        assert f"{option} 0.0.0.0 is for other machines" in plain.stderr
    port, database_port = free_port(), free_port()
    words = ["--host", "0.0.0.0", "--port", str(port), "--database-port", str(database_port), "--workers", "1"]
    try:
        done = call("start", "--folder", str(folder), *words, "--certificate", str(certificate), "--key", str(key))
        assert done.returncode == 0, done.stderr
        created = call("user", "anna", "--folder", str(folder), "--host", "localhost", GANBENCH_USER_PASSWORD=PASSWORD)
        assert created.returncode == 0, created.stderr
        given = {
            "MLFLOW_TRACKING_URI": f"https://localhost:{port}",
            "MLFLOW_TRACKING_USERNAME": "anna",
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }
        unknown = ganbench(open_path / "client", "score", "--suite", "smoke", **given)
        assert (unknown.returncode, len(unknown.stderr.splitlines())) == (2, 1)
        assert "certificate verify failed" in unknown.stderr
        known = ganbench(open_path / "client", "score", "--suite", "smoke", **given, MLFLOW_TRACKING_SERVER_CERT_PATH=str(certificate))
        assert known.returncode == 2
        assert "smoke" in known.stderr  # the connection succeeds, but the suite has no runs
        assert "certificate" not in known.stderr
    finally:
        call("stop", "--folder", str(folder))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("begin",), "error: there is no 'begin': see serve.sh --help\n"),
        (("start", "--prot", "1"), "error: there is no option '--prot': see serve.sh --help\n"),
        (("start", "--port"), "error: --port takes a value\n"),
        (("start", "--port", "http"), "error: --port takes a number, not 'http'\n"),
        (("user",), "error: user takes a name: see serve.sh --help\n"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = subprocess.run([str(SCRIPT), *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_help_names_every_option() -> None:
    output = subprocess.run([str(SCRIPT), "--help"], capture_output=True, text=True, check=True).stdout
    for option in ("--folder", "--port", "--database-port", "--host", "--database-host", "--certificate", "--key", "--workers"):
        assert f"\n  {option} " in output


@needs_postgres
def test_secrets_that_others_may_read_are_refused(open_path: Path) -> None:
    (open_path / "secrets").write_text("GANBENCH_ADMIN_PASSWORD=for all to see\n")
    (open_path / "secrets").chmod(0o644)
    done = call("start", "--folder", str(open_path))
    assert done.returncode == 2
    assert f"others may read {open_path}/secrets" in done.stderr
    assert "for all to see" not in done.stderr


@contextmanager
def make_ui(folder: Path) -> Iterator[int]:
    """Context manager that runs `make ui` in a folder and yields its port."""
    port, venv = free_port(), sys.prefix
    command = ["make", "-f", str(ROOT / "Makefile"), "-o", f"{venv}/.complete", f"VENV={venv}", f"PORT={port}", "ui"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    with (folder / "log").open("wb") as log:
        ui = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not addresses(port) and ui.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert addresses(port), (folder / "log").read_text()
        yield port
    finally:
        os.killpg(ui.pid, signal.SIGTERM)  # the server is in another process group, and the command ends it
        ui.wait()
        while addresses(port):
            time.sleep(0.2)


@pytest.mark.faults
def test_make_ui_is_for_this_machine_alone(migrated_store: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_store, tmp_path / "mlflow.db")
    with make_ui(tmp_path) as port:
        assert addresses(port) == LOOPBACK


@pytest.mark.faults
def test_make_ui_shows_the_artifacts_of_a_moved_folder(migrated_store: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    shutil.copy(migrated_store, before / "mlflow.db")
    log = Tracker(f"sqlite:///{before}/mlflow.db", "small").start_run("r", {"kind": "run"}, {})
    log.artifact("note.txt", b"here")
    with make_ui(before.rename(tmp_path / "after")) as port:
        url = f"http://127.0.0.1:{port}/get-artifact?path=note.txt&run_uuid={log.run_id}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.read() == b"here"
