"""A process of its own for each contender: with its own threads and memory, as a user would start it."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from bench.core.config import RunConfig, load_config
from bench.core.errors import UserError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
END_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A loop, on so many threads, in so many processes at once."""

    loop: str  # of `bench.perf.loops`
    config: RunConfig
    threads: int
    processes: int = 1


class Runner(Protocol):
    """Whatever takes turns."""

    def go(self, seconds: float) -> tuple[float, float]:
        """(done, seconds) of one turn."""
        ...


class Host:
    """A contender in its processes. They work only while `go` waits for them."""

    def __init__(self, contender: Contender) -> None:
        with environment_of(contender.threads):
            self._members = [_Member(contender) for _ in range(contender.processes)]

    def go(self, seconds: float) -> tuple[float, float]:
        """(done by all together, seconds of the slowest) of one turn."""
        for member in self._members:
            member.ask(seconds)
        laps = [member.answer() for member in self._members]
        return sum(done for done, _ in laps), max(taken for _, taken in laps)

    def extra_memory_mb(self) -> float:
        """The most memory that one process has had beyond what torch and its libraries took before there was anything to train."""
        for member in self._members:
            member.ask("memory")
        return max(float(member.answer()) for member in self._members)

    def close(self) -> None:
        """End the processes."""
        for member in self._members:
            member.close()


class _Member:
    def __init__(self, contender: Contender) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, contender.loop, contender.config.canonical(), contender.threads)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, what: float | str) -> None:
        """Have it work for so many seconds, or say what memory it has had."""
        with suppress(OSError):  # it has ended: what it said last, or that it said nothing, is the answer
            self._pipe.send(what)

    def answer(self) -> Any:
        """What it says to that; a UserError where that is a mistake of the user's, or where it has ended."""
        try:
            kind, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(END_SECONDS)
            raise UserError(
                f"a process of `ganbench perf` ended without a word (status {self._process.exitcode}): out of memory?"
            ) from error
        if kind == "mistake":
            raise UserError(value)
        if kind == "error":
            raise RuntimeError(value)
        return value

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.join(END_SECONDS)
        self._pipe.close()


@contextmanager
def hosts(contenders: Mapping[str, Contender]) -> Iterator[dict[str, Host]]:
    """All of them, ended afterwards."""
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

        from bench.core.memory import forget_peak_memory, keep_freed_memory, peak_memory_mb
        from bench.core.registry import load_catalogs
        from bench.perf.loops import loop

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
    except (EOFError, OSError, KeyboardInterrupt):
        return
    except UserError as error:
        pipe.send(("mistake", str(error)))
    except Exception:
        pipe.send(("error", traceback.format_exc()))
