"""Measure the cost of finished runs in a tracking store: rows and bytes in its database, number and bytes of artifacts.

    python docs/deploy/cost.py mlflow.db quick                            in SQLite
    python docs/deploy/cost.py mlflow.db quick --postgresql postgresql://mlflow@127.0.0.1:5433/mlflow

The second command also copies the same rows into a PostgreSQL database with MLflow's tables, and measures that one. The copy is rolled back.
Both commands print JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, Table, create_engine, text

from bench.tracking import store
from bench.tracking.artifacts import Artifacts

TABLES = ("runs", "params", "tags", "latest_metrics", "metrics")  # sorted by their foreign keys


def runs_of(database: sqlite3.Connection, suite: str) -> dict[str, str]:
    """Return the finished runs of a suite as {run id: URI of its artifacts}."""
    query = """SELECT runs.run_uuid, runs.artifact_uri FROM runs JOIN experiments USING (experiment_id)
    JOIN tags AS kind ON kind.run_uuid = runs.run_uuid AND kind.key = 'kind' AND kind.value = 'run'
    JOIN tags AS status ON status.run_uuid = runs.run_uuid AND status.key = 'status' AND status.value = 'finished' WHERE experiments.name = ?"""
    return dict(database.execute(query, (suite,)).fetchall())


def sqlite_cost(path: Path, suite: str) -> dict[str, Any]:
    """Return rows of each table and bytes of the file per run. The bytes are the file's size with the runs minus its size without them."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        shutil.copy(path, copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as database:
            database.execute("VACUUM")
            runs, before = runs_of(database, suite), copy.stat().st_size
            rows = Counter[str]()
            for table in reversed(TABLES):
                for run_id in runs:
                    rows[table] += database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (run_id,)).rowcount
            database.execute("VACUUM")
            freed = before - copy.stat().st_size
    return {"runs": len(runs), "rows": per_run(rows, len(runs)), "bytes": freed / len(runs)}


def postgresql_cost(path: Path, suite: str, uri: str) -> dict[str, Any]:
    """Return bytes per run of the same rows in PostgreSQL: the growth of each table with its indexes."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database, create_engine(uri).begin() as target:
        database.row_factory = sqlite3.Row
        runs, before = runs_of(database, suite), sizes(target)
        (own,) = target.execute(
            text(
                "INSERT INTO experiments (name, lifecycle_stage) VALUES ('cost of ' || gen_random_uuid(), 'active') RETURNING experiment_id"
            )
        ).one()
        for name in TABLES:
            table = Table(name, MetaData(), autoload_with=target)
            for run_id in runs:
                rows = [dict(row) for row in database.execute(f"SELECT * FROM {name} WHERE run_uuid = ?", (run_id,))]
                given = {"experiment_id": own} if name == "runs" else {}
                typed = [{**row, **given, **({"is_nan": bool(row["is_nan"])} if "is_nan" in row else {})} for row in rows]
                if typed:
                    target.execute(table.insert(), typed)
        grown = {name: size - before[name] for name, size in sizes(target).items()}
        target.rollback()
    return {"bytes": sum(grown.values()) / len(runs), "by_table": per_run(grown, len(runs))}


def sizes(target: Any) -> dict[str, int]:
    """Return the bytes of each table with its indexes."""
    return {name: int(target.execute(text(f"SELECT pg_total_relation_size('{name}')")).scalar()) for name in TABLES}


def artifact_cost(path: Path, suite: str) -> dict[str, Any]:
    """Return number and bytes of the artifacts of a run, by kind. The artifacts must be on this machine."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        runs = runs_of(database, suite)
    count, size = Counter[str](), Counter[str]()
    for run_id, uri in runs.items():
        found = Artifacts(None, {run_id: uri}).get(run_id, "config.json")
        if found is None:
            raise SystemExit(f"error: the artifacts of the run {run_id} are not at {uri}; run this on the machine that has them")
        for file in (file for file in found.parent.rglob("*") if file.is_file()):
            kind = {".png": "pictures", ".safetensors": "weights", ".parquet": "curves"}.get(file.suffix, "other")
            count[kind] += 1
            size[kind] += file.stat().st_size
    return {"number": per_run(count, len(runs)), "bytes": per_run(size, len(runs))}


def per_run(total: Mapping[str, float], runs: int) -> dict[str, float]:
    """Return totals divided by the number of runs."""
    return {name: round(value / runs, 1) for name, value in total.items()}


def main() -> None:
    """Parse the command line, measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="a SQLite store, mlflow.db")
    parser.add_argument("suite")
    parser.add_argument(
        "--postgresql", metavar="URI", help="a database with MLflow's tables, into which rows are copied; the copy is rolled back"
    )
    given = parser.parse_args()
    if not store.has_database(given.store):
        parser.error(f"no store at {given.store}; give a SQLite file, such as mlflow.db")
    with closing(sqlite3.connect(f"file:{given.store}?mode=ro", uri=True)) as database:
        if not runs_of(database, given.suite):
            parser.error(f"{given.store} has no finished run of {given.suite}; run that suite first")
    costs = {"sqlite": sqlite_cost(given.store, given.suite), "artifacts": artifact_cost(given.store, given.suite)}
    if given.postgresql:
        costs["postgresql"] = postgresql_cost(given.store, given.suite, given.postgresql)
    print(json.dumps(costs, indent=2))


if __name__ == "__main__":
    main()
