"""Stages in processes: what is ready runs, one thread each; what is done is never done again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context, parent_process
from pathlib import Path

from trainers.reproduction.stages import Stage, address, lineage, parent

OnDone = Callable[[Stage, int, int], None]
"""Takes a finished stage, how many are finished and how many there are."""


def in_order(wanted: Iterable[Stage]) -> list[Stage]:
    """Everything that some stages need and they themselves, each once, parents first."""
    found: dict[str, Stage] = {}
    for stage in wanted:
        for each in lineage(stage):
            found.setdefault(address(each), each)
    return list(found.values())


def run_all(wanted: Iterable[Stage], root: Path, workers: int, on_done: OnDone) -> None:
    """Perform stages and all they need.

    A stage begins when its parent is done and a worker is free; earlier ones first.

    Args:
        wanted: The stages.
        root: Holds a folder per stage.
        workers: Processes.
        on_done: Called in this process for every stage that was performed.

    Raises:
        Exception: What a stage raised; the other stages at work are finished first.
    """
    stages = in_order(wanted)
    done = {address(stage) for stage in stages if (root / address(stage)).exists()}
    waiting = [stage for stage in stages if address(stage) not in done]
    if not waiting:
        return
    running: dict[Future[None], Stage] = {}
    # Spawned, because a fork would inherit torch's threads and the sandbox of this process.
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_prepare) as pool:
        try:
            while waiting or running:
                ready = [each for each in waiting if _is_ready(each, done)]
                for stage in ready[: workers - len(running)]:
                    waiting.remove(stage)
                    running[pool.submit(_perform, stage, root)] = stage
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    stage = running.pop(future)
                    future.result()
                    done.add(address(stage))
                    on_done(stage, len(done), len(stages))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _is_ready(stage: Stage, done: set[str]) -> bool:
    before = parent(stage)
    return before is None or address(before) in done


def _prepare() -> None:
    """Once per process. One thread is faster than two for a model this small (stack notes section 2)."""
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
    # Not at the top: what it imports is wanted in the workers alone.
    from trainers.reproduction.perform import perform

    perform(stage, root)
