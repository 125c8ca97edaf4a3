"""One engine of the search benchmark in a process of its own, so that its memory is its own.

The program reads one JSON list a line, `["build", ENGINE, CORPUS, DIRECTORY]`, `["open", ENGINE, DIRECTORY]` or
`["ask", QUESTIONS, K]`, and answers each with one line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from benchmarks.speed.search_engines import ENGINES, SearchContender


class Worker:
    """The process, seen from the benchmark."""

    def __init__(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, *command: Any) -> Any:
        """Send a command and wait for its answer.

        Raises:
            RuntimeError: The process ended; what it said is on standard error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(command, default=str), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"a worker of the search benchmark ended at {command[:2]}")
        return json.loads(answer)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def build(name: str, corpus: Path, directory: Path) -> dict[str, float]:
    """Build an index; seconds, processor seconds, and bytes of memory beyond those of the empty process."""
    directory.mkdir()
    before = _memory("VmRSS")
    wall, processor = time.perf_counter(), time.process_time()
    ENGINES[name]().build(corpus, directory)
    return {
        "seconds": time.perf_counter() - wall,
        "processor": time.process_time() - processor,
        "peak": _memory("VmHWM") - before,
        "size": sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()),
    }


def ask(engine: SearchContender, questions: list[tuple[str, str]], k: int) -> dict[str, Any]:
    """Ask questions one after the other: seconds, processor seconds, found or not; and bytes of memory."""
    answers = []
    for query, wanted in questions:
        wall, processor = time.perf_counter(), time.thread_time()
        hits = engine.search(query, k)
        seconds = time.perf_counter() - wall, time.thread_time() - processor
        if not all(title and text for _, title, text in hits):
            raise RuntimeError(f"a hit for {query!r} has no text")
        answers.append((*seconds, any(name == wanted for name, _, _ in hits)))
    return {"answers": answers, "memory": _memory("VmRSS")}


def serve(commands: TextIO, answers: TextIO) -> None:
    """Do what is asked until nothing more comes."""
    engine: SearchContender | None = None
    answer: Any
    before = 0.0
    for line in commands:
        match json.loads(line):
            case ["build", name, corpus, directory]:
                answer = build(name, Path(corpus), Path(directory))
            case ["open", name, directory]:
                before, start = _memory("VmRSS"), time.perf_counter()
                engine = ENGINES[name]()
                engine.open(Path(directory))
                answer = time.perf_counter() - start
            case ["ask", questions, k]:
                assert engine is not None
                answer = ask(engine, questions, k)
                answer["memory"] -= before
            case other:
                raise ValueError(f"no command: {other}")
        print(json.dumps(answer), file=answers, flush=True)


def _memory(field: str) -> float:
    """Bytes that `/proc/self/status` says (proc(5)): VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
