"""Load test of a tracking server: many processes log to it at once, as training runs do.

    python docs/deploy/load.py --server /srv/ganbench --like mlflow.db --suite quick --runs 64 --seconds 40

Each writer is a process that calls the code of a run: `Tracker.start_run`, `RunLog`, journal, delivery. It logs the data of a finished run
of a suite: the same keys at the same evaluation points, tags, parameters and artifacts, spread over `--seconds`. It trains nothing.
`serve.sh` must have started the server on this machine. The password of admin comes from its `secrets`. The script prints JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from bench.runs.pending_writes import deliver_pending
from bench.tracking import results, store
from bench.tracking.client import Tracker
from bench.tracking.run_logger import FLUSH_SECONDS

TICKS = os.sysconf("SC_CLK_TCK")
SUITE = "load"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Frozen record of the data that a run logs."""

    tags: dict[str, str]
    params: dict[str, str]
    marks: list[tuple[int, dict[str, float]]]  # evaluation points: images and values, in order
    artifacts: dict[str, bytes]

    @property
    def points(self) -> int:
        """Number of finite values, which are the points that the store gets."""
        return sum(len(values) for _, values in self.marks)


def shape_of(path: Path, suite: str) -> Shape:
    """Return the shape of the finished run of a suite with the median number of points."""
    found = results.load(store.tracking_uri(f"sqlite:///{path.absolute()}"), (suite,))
    finished = found.runs[(found.runs["kind"] == "run") & (found.runs["status"] == "finished")]["run_id"]
    finite = found.curves[(found.curves["value"].abs() < float("inf")) & found.curves["run_id"].isin(finished)]
    counts = finite.groupby("run_id").size().sort_values()
    run_id = str(counts.index[len(counts) // 2])
    run = store.connect(f"sqlite:///{path.absolute()}").get_run(run_id)
    curve = finite[finite["run_id"] == run_id]
    marks = [(int(images), dict(zip(rows["key"], rows["value"], strict=True))) for images, rows in curve.groupby("images")]
    folder = found.artifact(run_id, results.CONFIG).parent  # type: ignore[union-attr]
    artifacts = {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    return Shape(tags={**tags, "suite": SUITE}, params=dict(run.data.params), marks=marks, artifacts=artifacts)


@dataclass(kw_only=True)
class WriterReport:
    """Record of the calls, errors and time of one writer."""

    calls: list[tuple[str, float, int]] = field(default_factory=list)  # method and kind, seconds, HTTP status (0: no answer)
    retries: int = 0
    run_id: str = ""
    seconds: float = 0.0
    error: str = ""


def write(shape: Shape, uri: str, folder: Path, number: int, seconds: float, pipe: Any) -> None:
    """Log one run from its own process over the given seconds, and send its WriterReport through the pipe."""
    report, started = WriterReport(), time.monotonic()
    watch_calls(report)
    try:
        tags = {**shape.tags, "seed": str(number), "fingerprint": f"load-{os.getpid()}-{number}"}
        log = Tracker(uri, SUITE).start_run(f"load-{number}", tags, shape.params, folder=folder / SUITE / tags["fingerprint"])
        report.run_id = log.run_id
        pictures, sent = [name for name in shape.artifacts if name.startswith("images/")], started
        for index, (images, values) in enumerate(shape.marks):
            time.sleep(max(0.0, started + seconds * (index + 1) / len(shape.marks) - time.monotonic()))
            log.points(values, images=images, train_seconds=time.monotonic() - started)
            if time.monotonic() - sent > FLUSH_SECONDS:  # a run also sends points after a checkpoint
                log.allow_points(log.position)
                sent = time.monotonic()
            if pictures and (index + 1) % max(1, len(shape.marks) // len(pictures)) == 0:
                log.artifact(name := pictures.pop(), shape.artifacts[name])
        for name, content in shape.artifacts.items():
            if name != results.CURVES and (name in pictures or not name.startswith("images/")):
                log.artifact(name, content)
        log.finish("finished")
    except Exception as error:  # the report of the writer contains every error
        report.error = f"{type(error).__name__}: {error}"
    report.seconds = time.monotonic() - started
    pipe.send(report)


def watch_calls(report: WriterReport) -> None:
    """Count and time every HTTP request of this process in `report`."""
    send = requests.Session.send

    def timed(self: requests.Session, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        """Send a request, and record its duration in seconds and its status."""
        started, kind = time.perf_counter(), f"{request.method} {'artifact' if 'mlflow-artifacts' in str(request.url) else 'api'}"
        try:
            answer = send(self, request, **named)
        except Exception:
            report.calls.append((kind, time.perf_counter() - started, 0))
            raise
        report.calls.append((kind, time.perf_counter() - started, answer.status_code))
        report.retries += len(answer.raw.retries.history) if getattr(answer.raw, "retries", None) else 0
        return answer

    requests.Session.send = timed  # type: ignore[method-assign, assignment]


class Server:
    """Ports and processes of the servers of a `serve.sh` folder."""

    def __init__(self, folder: Path) -> None:
        self.settings = dict(line.split("=", 1) for line in (folder / "settings").read_text().splitlines())
        secrets = dict(line.split("=", 1) for line in (folder / "secrets").read_text().splitlines())
        os.environ.setdefault(store.USER, "admin")
        os.environ.setdefault(store.PASSWORD, os.environ.get("GANBENCH_ADMIN_PASSWORD") or secrets["GANBENCH_ADMIN_PASSWORD"])
        self.uri = f"http://{self.settings['host']}:{self.settings['port']}"
        self._mlflow = int((folder / "mlflow.pid").read_text())
        self._postgres = int((folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])

    def cpu_seconds(self) -> dict[str, float]:
        """Return processor seconds of MLflow and PostgreSQL so far, including finished processes."""
        return {"mlflow": family_seconds(self._mlflow), "postgresql": family_seconds(self._postgres)}

    def memory_mb(self) -> dict[str, float]:
        """Return resident memory of both in MB. It includes a share of each shared page (PSS)."""
        return {
            name: sum(resident_mb(pid) for pid in family(pid)) for name, pid in (("mlflow", self._mlflow), ("postgresql", self._postgres))
        }

    def connections(self) -> dict[str, int]:
        """Return the current number of client connections to each."""
        ports = {int(self.settings["port"]): "mlflow", int(self.settings["database_port"]): "postgresql"}
        found = Counter({"mlflow": 0, "postgresql": 0})
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "01" and (name := ports.get(int(local.rpartition(":")[2], 16))):
                found[name] += 1
        return dict(found)


def family(pid: int) -> list[int]:
    """Return a process id and those of all its descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def family_seconds(pid: int) -> float:
    """Return processor seconds of a process and all its descendants."""
    total = 0
    for one in family(pid):
        try:
            total += sum(int(part) for part in Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:15])
        except OSError:
            continue
    return total / TICKS


def resident_mb(pid: int) -> float:
    """Return the proportional resident memory (PSS) of a process in MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def load(server: Server, shape: Shape, *, runs: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Start the writers at once, wait for them, and return throughput, latency, errors and resources."""
    Tracker(server.uri, SUITE)  # creates the experiment before the writers start
    context = multiprocessing.get_context("fork")
    used, started, most = server.cpu_seconds(), time.monotonic(), Counter[str]()
    pipes, processes = [], []
    for number in range(runs):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=write, args=(shape, server.uri, folder, number, seconds, sender))
        process.start()
        pipes.append(receiver)
        processes.append(process)
    reports: list[WriterReport] = []
    while len(reports) < runs:
        for name, count in server.connections().items():
            most[name] = max(most[name], count)
        for pipe in [pipe for pipe in pipes if pipe.poll()]:
            reports.append(pipe.recv())
            pipes.remove(pipe)
        time.sleep(0.2)
    took = time.monotonic() - started
    for process in processes:
        process.join()
    spent = {name: value - used[name] for name, value in server.cpu_seconds().items()}
    pending = sum(one.pending for one in deliver_pending(folder, server.uri))
    return {
        "runs": runs, "seconds": round(took, 1), "points": shape.points * runs, "points_per_second": round(shape.points * runs / took, 1),
        "artifact_mb": round(sum(map(len, shape.artifacts.values())) * runs / 1e6, 1),
        "run_seconds": {"median": round(statistics.median(one.seconds for one in reports), 1), "longest": round(max(one.seconds for one in reports), 1)},
        "calls": calls_of(reports), "calls_per_second": round(sum(len(one.calls) for one in reports) / took, 1),
        "retries": sum(one.retries for one in reports), "errors": Counter(one.error for one in reports if one.error),
        "pending_after_sync": pending, "arrived": arrived(server.uri, shape, [one.run_id for one in reports]),
        "cpu_seconds": {name: round(value, 1) for name, value in spent.items()}, "cores": {name: round(value / took, 2) for name, value in spent.items()},
        "most_connections": dict(most), "memory_mb": {name: round(value) for name, value in server.memory_mb().items()},
    }  # fmt: skip


def calls_of(reports: list[WriterReport]) -> dict[str, Any]:
    """Return number and latency (ms) of the calls of each kind, and the number of failed calls by status."""
    kinds: dict[str, list[float]] = {}
    for kind, seconds, _ in (call for one in reports for call in one.calls):
        kinds.setdefault(kind, []).append(seconds)
    latency = {
        kind: {"number": len(all_), "per_run": round(len(all_) / len(reports), 1), "p50_ms": round(1000 * statistics.median(all_), 1),
               "p95_ms": round(1000 * statistics.quantiles(all_, n=20, method="inclusive")[-1], 1), "longest_ms": round(1000 * max(all_), 1)}
        for kind, all_ in sorted(kinds.items())
    }  # fmt: skip
    failed = Counter(f"{status or 'no answer'}" for one in reports for _, _, status in one.calls if not 200 <= status < 300)
    return {**latency, "failed": dict(failed)}


def arrived(uri: str, shape: Shape, run_ids: list[str]) -> dict[str, int]:
    """Return the numbers of runs that the store has as finished, with all points exactly once, and with all artifacts."""
    client, found = store.connect(uri), Counter({"finished": 0, "all_points_once": 0, "all_artifacts": 0})
    wanted = sorted((key, images, value) for images, values in shape.marks for key, value in values.items())
    recorded = histories(uri, sorted({key for key, _, _ in wanted}), run_ids := [run_id for run_id in run_ids if run_id])
    for run_id in run_ids:
        found["finished"] += client.get_run(run_id).info.status == "FINISHED"
        found["all_points_once"] += sorted(recorded[run_id]) == wanted
        folders = (None, "grids", "pictures", "weights")
        names = {file.path for folder in folders for file in client.list_artifacts(run_id, folder) if not file.is_dir}
        found["all_artifacts"] += names >= set(shape.artifacts)
    return dict(found)


def histories(uri: str, keys: list[str], run_ids: list[str]) -> dict[str, list[tuple[str, int, float]]]:
    """Return all points (key, images, value) of some runs, a hundred runs a call, by the API of MLflow's own pages."""
    found: dict[str, list[tuple[str, int, float]]] = {run_id: [] for run_id in run_ids}
    session = requests.Session()
    session.auth = (os.environ[store.USER], os.environ[store.PASSWORD])
    for key in keys:
        for start in range(0, len(run_ids), 100):
            given = {"run_id": run_ids[start : start + 100], "metric_key": key, "max_results": 25_000}
            answer = session.get(f"{uri}/ajax-api/2.0/mlflow/metrics/get-history-bulk", params=given, timeout=300)
            answer.raise_for_status()
            for point in answer.json().get("metrics", []):
                found[point["run_id"]].append((point["key"], int(point.get("step", 0)), float(point["value"])))
    return found


def main() -> None:
    """Parse the command line, run the load test, and print JSON. Exit status 1 if any run is incomplete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", type=Path, required=True, help="the folder of serve.sh")
    parser.add_argument("--like", type=Path, required=True, help="a SQLite store with a finished suite")
    parser.add_argument("--suite", default="quick")
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=40.0, help="duration of a run")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ganbench-load-"))
    try:
        result = load(Server(given.server), shape_of(given.like, given.suite), runs=given.runs, seconds=given.seconds, folder=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(result, indent=2))
    sys.exit(0 if set(result["arrived"].values()) == {given.runs} else 1)


if __name__ == "__main__":
    main()
