"""Storage in a journal: locks, running and dead workers, and damaged files. test_postgresql.py tests the database."""

from __future__ import annotations

import socketserver
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from bench.core.errors import UserError
from studies.kinds import open_storage
from studies.storage import AGAIN, DEATHS, MOST_DEATHS, REASON, STOPPED, WORKER, Storage

WORKER_PROGRAM = """
import sys, time, optuna
from studies.kinds import open_storage
storage = open_storage(sys.argv[1])
study = optuna.load_study(storage=storage.optuna, study_name="s")
with storage.worker("other") as worker:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    storage.begin(trial, worker)
    print("started", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "studies.journal"))


@pytest.fixture
def study(storage: Storage) -> optuna.Study:
    return optuna.create_study(storage=storage.optuna, study_name="s", sampler=optuna.samplers.RandomSampler(seed=0))


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]


def start_trial(storage: Storage, study: optuna.Study, worker: str) -> optuna.Trial:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    storage.begin(trial, worker)
    return trial


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            "sqlite:///x.db",
            "--storage sqlite:///x.db is neither a path nor a PostgreSQL address: use a path, or postgresql://USER@HOST/NAME",
        ),
        ("redis://:secret@host", "--storage redis://host is neither"),
        ("postgresql://me:secret@127.0.0.1:9/none", "--storage postgresql://127.0.0.1:9/none does not answer: "),
        ("/proc/none/x.journal", "cannot be written: No such file or directory"),
    ],
)
def test_an_invalid_storage_is_one_line_without_the_password(given: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        open_storage(given)
    assert words in str(error.value)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_the_answer_of_a_database_is_complete_without_the_password() -> None:
    answer_text = 'password authentication failed for user "a_person_with_a_name_of_some_length"'
    with _refusing_database(answer_text) as port, pytest.raises(UserError) as error:
        open_storage(f"postgresql://me:secret@127.0.0.1:{port}/studies_of_a_group_with_a_long_name")
    assert answer_text in str(error.value)
    assert "secret" not in str(error.value)
    assert "sqlalche.me" not in str(error.value)


@contextmanager
def _refusing_database(answer_text: str) -> Iterator[int]:
    """Context manager that runs a server and yields its port. The server answers every start-up message with an ErrorResponse."""
    fields = (
        b"".join(letter + value + b"\0" for letter, value in ((b"S", b"FATAL"), (b"C", b"28P01"), (b"M", answer_text.encode()))) + b"\0"
    )
    answer = b"E" + struct.pack("!I", 4 + len(fields)) + fields

    class Refusal(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while (length := struct.unpack("!I", self.request.recv(4))[0]) and struct.unpack("!I", self.request.recv(length - 4)[:4])[
                0
            ] != 3 << 16:
                self.request.sendall(b"N")  # the client requests TLS or GSSAPI first
            self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def test_other_files_are_not_journals(tmp_path: Path) -> None:
    for content in (b"not json\n", b'{"a": 1}', b"{}", b'{"a": 1', b"{\x00\xff", b'{"op_code": "x"}\n'):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(UserError, match="is not a journal of Optuna"):
            open_storage(str(tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == content
    (tmp_path / "x").write_bytes(b'{"op_code": 99, "worker_id": "w"}\n')
    with pytest.raises(UserError, match="cannot be read as a journal"):
        open_storage(str(tmp_path / "x"))
    with pytest.raises(UserError, match="is a folder: use the path of a journal file"):
        open_storage(str(tmp_path))


def test_an_incomplete_line_is_removed(storage: Storage, study: optuna.Study, tmp_path: Path) -> None:
    study.tell(study.ask(), 1.0)
    with (tmp_path / "studies.journal").open("a") as journal:
        journal.write('{"op_code":4,"worker_id":"torn')
    again = open_storage(str(tmp_path / "studies.journal"))
    found = optuna.load_study(storage=again.optuna, study_name="s")
    found.tell(found.ask(), 2.0)
    assert [trial.value for trial in optuna.load_study(storage=storage.optuna, study_name="s").get_trials()] == [1.0, 2.0]


DAMAGES = [
    b'{"op_code": 4, "garb\n', b"\x00" * 5000, b"\x00" * 100 + b"\n", b"\xff\xfe\n", b"123\n", b"null\n", b'{"a": 1}\n', b"\n", b"[" * 100_000 + b"\n",
    b'{"op_code": 4, "half\n\x00\x00', b"x" * 9000 + b"\n",
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: repr(damage[:12]))
def test_a_damaged_end_is_removed_with_a_warning(
    study: optuna.Study, tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "studies.journal"
    study.tell(study.ask(), 1.0)
    before = path.read_bytes()
    path.write_bytes(before + damage)
    again = optuna.load_study(storage=open_storage(str(path)).optuna, study_name="s")
    assert path.read_bytes() == before
    again.tell(again.ask(), 2.0)
    assert [trial.value for trial in study.get_trials()] == [1.0, 2.0]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f" {len(damage)} bytes" in warning
    assert str(path) in warning


@pytest.mark.parametrize("damage", DAMAGES[:2], ids=lambda damage: repr(damage[:12]))
def test_a_writer_removes_it_too(study: optuna.Study, tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    trial = study.ask()
    with (tmp_path / "studies.journal").open("ab") as journal:
        journal.write(damage)
    study.tell(trial, 1.0)
    assert [trial.value for trial in study.get_trials()] == [1.0]
    assert f" {len(damage)} bytes" in caplog.text


@pytest.mark.parametrize("damage", [b'{"op_code": 4, "garb\n', b"\x00\n", b"\xff\n", b"123\n", b"{}\n"])
def test_a_damaged_line_before_others_is_refused_and_stays(storage: Storage, study: optuna.Study, tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "studies.journal"
    study.tell(study.ask(), 1.0)
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([lines[0], damage, *lines[1:]])
    assert len(lines) > 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="line 2 is damaged"):
        open_storage(str(path))
    assert path.read_bytes() == damaged


def test_a_file_that_takes_the_place_of_a_journal_is_left_alone(study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "studies.journal"
    path.write_bytes(b"notes\nof mine\n" * 100)
    with suppress(Exception):  # Optuna raises many types of errors
        study.ask()
    assert path.read_bytes().startswith(b"notes\nof mine\n" * 100)


def test_the_lock_is_exclusive_for_one_study(storage: Storage, tmp_path: Path) -> None:
    order: list[str] = []

    def other() -> None:
        with open_storage(str(tmp_path / "studies.journal")).lock("s"):
            order.append("other")

    thread = threading.Thread(target=other)
    with storage.lock("s"):
        with open_storage(str(tmp_path / "studies.journal")).lock("another"):
            thread.start()
            time.sleep(0.3)
        order.append("mine")
    thread.join()
    assert order == ["mine", "other"]


def test_only_one_process_holds_a_lock(storage: Storage, tmp_path: Path) -> None:
    with storage.try_lock("final") as first, open_storage(str(tmp_path / "studies.journal")).try_lock("final") as second:
        assert (first, second) == (True, False)
    with storage.try_lock("final") as third:
        assert third


def test_a_living_worker_keeps_its_trial(storage: Storage, study: optuna.Study) -> None:
    with storage.worker("me") as worker:
        start_trial(storage, study, worker)
        storage.requeue_dead(study)
        assert states(study) == ["RUNNING"]
    storage.requeue_dead(study)
    assert states(study) == ["FAIL", "WAITING"]


def test_the_trial_of_a_killed_worker_is_repeated_with_the_same_parameters(storage: Storage, study: optuna.Study, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER_PROGRAM, str(tmp_path / "studies.journal")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        storage.requeue_dead(study)
        assert states(study) == ["RUNNING"]
        process.kill()
    storage.requeue_dead(study)
    storage.requeue_dead(study)  # the second call changes nothing
    dead, repeated = study.get_trials()
    assert (dead.state, repeated.state) == (TrialState.FAIL, TrialState.WAITING)
    again = study.ask()
    assert again.number == 1
    assert again.suggest_float("x", 0, 1) == dead.params["x"]
    assert again.user_attrs[AGAIN] == 0


def test_a_trial_without_a_recorded_worker(storage: Storage, study: optuna.Study) -> None:
    study.ask()
    storage.requeue_dead(study)
    assert states(study) == ["FAIL", "WAITING"]


def test_a_renamed_host_blocks_no_trial(storage: Storage, study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.storage.socket.gethostname", lambda: "before")
    with storage.worker("me") as worker:
        start_trial(storage, study, worker)
        monkeypatch.setattr("studies.storage.socket.gethostname", lambda: "now")
        storage.requeue_dead(study)
        assert states(study) == ["RUNNING"]
    storage.requeue_dead(study)
    assert states(study) == ["FAIL", "WAITING"]


def test_a_repeated_trial_keeps_its_reported_values(storage: Storage, study: optuna.Study) -> None:
    with storage.worker("me") as worker:
        trial = start_trial(storage, study, worker)
        trial.report(3.0, step=100)
        trial.set_user_attr("mine", 1)
    storage.requeue_dead(study)
    repeated = study.get_trials()[1]
    assert repeated.intermediate_values == {100: 3.0}
    assert repeated.user_attrs["mine"] == 1
    assert WORKER not in repeated.user_attrs


def test_a_trial_that_crashed_is_not_repeated(storage: Storage, study: optuna.Study) -> None:
    with storage.worker("me") as worker:
        trial = start_trial(storage, study, worker)
        trial.set_user_attr(REASON, "it crashed")
        study.tell(trial, state=TrialState.FAIL)
    storage.requeue_dead(study)
    assert states(study) == ["FAIL"]


def test_parameters_that_kill_every_worker_are_given_up(storage: Storage, study: optuna.Study) -> None:
    for _ in range(MOST_DEATHS):
        with storage.worker("me") as worker:
            start_trial(storage, study, worker)
        storage.requeue_dead(study)
    assert states(study) == ["FAIL"] * MOST_DEATHS
    assert [trial.user_attrs.get(DEATHS, 0) for trial in study.get_trials()] == list(range(MOST_DEATHS))
    assert study.get_trials()[-1].user_attrs[REASON] == "5 workers exited during this trial: out of memory?"


def test_a_trial_may_be_stopped_any_number_of_times(storage: Storage, study: optuna.Study) -> None:
    for _ in range(3 * MOST_DEATHS):
        with storage.worker("me") as worker:
            trial = start_trial(storage, study, worker)
            trial.set_user_attr(STOPPED, True)
            study.tell(trial, state=TrialState.FAIL)
        storage.requeue_dead(study)
    *stopped, repeated = study.get_trials()
    assert {trial.state for trial in stopped} == {TrialState.FAIL}
    assert (repeated.state, repeated.user_attrs[DEATHS], repeated.user_attrs.get(STOPPED)) == (TrialState.WAITING, 0, None)
    assert len({str(trial.params) for trial in stopped}) == 1


def test_lock_files_of_workers_are_removed(storage: Storage, study: optuna.Study, tmp_path: Path) -> None:
    with storage.worker("me") as worker:
        start_trial(storage, study, worker)
    storage.requeue_dead(study)
    assert not list((tmp_path / "studies.journal.locks").glob("worker-*"))
