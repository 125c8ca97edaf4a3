"""Stages in processes: what is ready runs, one thread each; what is done is never done again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path

from trainers.reproduction.stages import Stage, address, lineage, parent

OnDone = Callable[[Stage, int, int], None]
"""Takes a finished stage, how many are finished and how many there are."""


def in_order(wanted: Iterable[Stage]) -> list[Stage]:
    """Everything that some stages need and they themselves, each once, parents first.

    What has no parent comes before all else: a last seed's base would keep all workers but one idle.
    """
    found: dict[str, Stage] = {}
    for stage in wanted:
        for each in lineage(stage):
            found.setdefault(address(each), each)
    return sorted(found.values(), key=lambda stage: parent(stage) is not None)


def run_all(wanted: Iterable[Stage], root: Path, workers: int, on_done: OnDone) -> None:
    """Perform stages and all they need.

    A stage begins when its parent is done and a worker is free; earlier ones first.

    Args:
        wanted: The stages.
        root: Holds a folder per stage.
        workers: Processes at once.
        on_done: Called in this process for every stage that was performed.

    Raises:
        Exception: What a stage raised; the other stages at work are finished first.
        KeyboardInterrupt: Ctrl-C; the stages at work are ended.
    """
    stages = in_order(wanted)
    done = {address(stage) for stage in stages if (root / address(stage)).exists()}
    waiting = [stage for stage in stages if address(stage) not in done]
    if not waiting:
        return
    running: dict[Future[None], tuple[Stage, ProcessPoolExecutor]] = {}
    try:
        while waiting or running:
            ready = [each for each in waiting if _is_ready(each, done)]
            for stage in ready[: workers - len(running)]:
                waiting.remove(stage)
                process = _process()
                with _interrupts_later():
                    running[process.submit(_perform, stage, root)] = stage, process
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                stage, process = running.pop(future)
                process.shutdown()
                future.result()
                done.add(address(stage))
                on_done(stage, len(done), len(stages))
    except KeyboardInterrupt:
        # One that was still starting has not heard of it; a stage is kept whole or not at all.
        for worker in active_children():
            worker.terminate()
        raise
    finally:
        for _, process in running.values():
            process.shutdown()


def _process() -> ProcessPoolExecutor:
    """For one stage alone: after eighteen of them a process holds 8 GB that its C library does not give back.

    Forked by a server that has imported everything once; a fork of this process would inherit torch's threads
    and the sandbox.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["trainers.reproduction.perform"])
    return ProcessPoolExecutor(1, context, initializer=_prepare)


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Let Ctrl-C wait, here and in every process that is started meanwhile.

    The server of forks and its workers import for seconds, where Ctrl-C would end in a traceback of theirs.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_ready(stage: Stage, done: set[str]) -> bool:
    before = parent(stage)
    return before is None or address(before) in done


def _prepare() -> None:
    """First of all. One thread is faster than two for a model this small (stack notes section 2)."""
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed command must not leave a worker behind: the next one would do the same stage beside it."""
    command = parent_process()
    if command is not None:
        command.join()
        os._exit(1)


def _perform(stage: Stage, root: Path) -> None:
    # Here an interrupt is caught and told to the command; the sandbox interrupts its guests with this signal.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        # Not at the top: what it imports is wanted in the workers alone.
        from trainers.reproduction.perform import perform

        perform(stage, root)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
