"""A process of its own for each contender: with its own threads and memory, as a user would start it."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench.config import RunConfig, load_config
from bench.errors import UserError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A loop, on so many threads."""

    loop: str  # of `bench.perf.loops`
    config: RunConfig
    threads: int


class Host:
    """A contender in its process. It works only while `go` waits for it."""

    def __init__(self, contender: Contender) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, contender.loop, contender.config.canonical(), contender.threads), daemon=True
        )
        with environment_of(contender.threads):
            self._process.start()
        theirs.close()

    def go(self, seconds: float) -> tuple[int, float]:
        """(images, seconds) of one turn."""
        self.begin(seconds)
        return self.end()

    def begin(self, seconds: float) -> None:
        """Start a turn; `end` waits for it. So several can work at once."""
        self._pipe.send(seconds)

    def end(self) -> tuple[int, float]:
        """What was done in it."""
        images, taken = self._receive()
        return int(images), float(taken)

    def extra_memory_mb(self) -> float:
        """The most memory it has had beyond what torch and its libraries took before there was anything to train."""
        self._pipe.send("memory")
        return float(self._receive())

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()
        self._pipe.close()

    def _receive(self) -> Any:
        try:
            kind, value = self._pipe.recv()
        except EOFError as error:
            raise UserError(
                f"a process of `ganbench perf` ended without a word (exit status {self._process.exitcode}): out of memory?"
            ) from error
        if kind == "error":
            raise RuntimeError(value)
        return value


@contextmanager
def hosts(contenders: dict[str, Contender]) -> Iterator[dict[str, Host]]:
    """All of them at once, ended afterwards."""
    running: dict[str, Host] = {}
    try:
        for name, contender in contenders.items():
            running[name] = Host(contender)
        yield running
    finally:
        for host in running.values():
            host.close()


@contextmanager
def environment_of(threads: int) -> Iterator[None]:
    """Inside, processes that start take this number of threads, whatever this one was told."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _serve(pipe: Connection, name: str, config_json: str, threads: int) -> None:
    try:
        import torch

        from bench.memory import forget_peak_memory, keep_freed_memory, peak_memory_mb
        from bench.perf.loops import loop
        from bench.registry import load_catalogs

        torch.set_num_threads(threads)
        load_catalogs()
        cpu = torch.device("cpu")
        torch.nn.functional.conv2d(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 3, 3))  # libraries that load when first used
        forget_peak_memory(cpu)
        own = peak_memory_mb(cpu)
        if name != "tutorial":  # as `run` does, and a bare loop might
            keep_freed_memory()
        go = loop(name, load_config(config_json))
        while True:
            asked = pipe.recv()
            pipe.send(("done", peak_memory_mb(cpu) - own if asked == "memory" else tuple(go(asked))))
    except (EOFError, KeyboardInterrupt):
        return
    except Exception:
        pipe.send(("error", traceback.format_exc()))
