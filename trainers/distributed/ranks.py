"""The processes of one run: who is who, and what they tell each other.

`accelerate launch` starts the same program several times; `Ranks` is how one of them sees the others. What is
said here goes over gloo and through main memory, also where gradients go over NCCL: it is small or made of
bytes, one process may wait an hour for another's rollouts, and a process that dies is noticed at once,
because its connections close. With a single process nothing is sent and every answer is its own.
"""

from __future__ import annotations

import atexit
import copy
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")

PATIENCE = timedelta(hours=12)
"""How long the fastest process waits for the slowest. Only a network that loses packets without a word makes
anybody wait so long."""


_IN_ALL = "failed_in_all_processes"
"""Attribute of an error that `Ranks.together` has told to all processes."""


class PeerFailed(RuntimeError):
    """Another process of the run failed, so this one cannot go on; the message is the other one's."""


class Ranks:
    """One process among those of the run.

    All methods but `deal` are collective: every process calls them in the same order. Threads that talk at
    the same time need a `Ranks` each (`apart`), or the messages of one would be taken for those of the other.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
    """

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.size = dist.get_world_size() if together else 1
        self._group = _gloo() if self.size > 1 else None

    def apart(self) -> Ranks:
        """The same processes, with messages of their own for another thread."""
        other = copy.copy(self)
        if self.size > 1:
            other._group = _new_gloo()
        return other

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and talks to people."""
        return self.rank == 0

    def deal(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part: equal parts, neighbours together, in the order of the processes."""
        begin, end = (len(items) * number // self.size for number in (self.rank, self.rank + 1))
        return items[begin:end]

    def gather(self, payload: bytes) -> list[bytes]:
        """Everybody's payload, in the order of the processes."""
        if self.size == 1:
            return [payload]
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        self._talk(dist.all_gather, sizes, torch.tensor([len(payload)]))
        longest = max(int(size) for size in sizes)
        parts = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.size)]
        self._talk(dist.all_gather, parts, _tensor(payload.ljust(longest, b"\0")))
        return [_bytes(part)[: int(size)] for part, size in zip(parts, sizes, strict=True)]

    def exchange(self, parcels: Sequence[bytes]) -> list[bytes]:
        """Send one parcel to every process.

        Args:
            parcels: By receiver; this process's own is handed back.

        Returns:
            What was received, by sender.
        """
        if self.size == 1:
            return list(parcels)
        lengths = torch.tensor([len(parcel) for parcel in parcels])
        expected = torch.empty(self.size, dtype=torch.int64)
        self._talk(dist.all_to_all_single, expected, lengths)
        received = torch.empty(int(expected.sum()), dtype=torch.uint8)
        sizes = expected.tolist(), lengths.tolist()
        self._talk(dist.all_to_all_single, received, _tensor(b"".join(parcels)), *sizes)
        return [_bytes(part) for part in received.split(sizes[0])]

    def tell(self, value: Any) -> list[Any]:
        """Everybody's value, which JSON can hold, in the order of the processes."""
        return [json.loads(told) for told in self.gather(json.dumps(value).encode())]

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes: of everybody's first value, second value and so on."""
        return [sum(column) for column in zip(*self.tell([float(value) for value in values]), strict=True)]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        return any(self.tell(flag))

    @contextmanager
    def together(self, doing: str) -> Iterator[None]:
        """A block in which nothing is sent; what fails in one process fails in all, when all have ended it.

        Args:
            doing: What the block does, for the message.

        Raises:
            PeerFailed: The block failed, but not in this process.
        """
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        reasons = self.tell(failure and f"{type(failure).__name__}: {failure}")
        failed = [rank for rank, reason in enumerate(reasons) if reason is not None]
        if failed:
            peer = f"process {failed[0]} of {self.size} failed while {doing}: {reasons[failed[0]]}"
            known = PeerFailed(peer) if failure is None else failure
            setattr(known, _IN_ALL, True)
            raise known

    def share(self, error: Exception) -> bool:
        """Whether all processes have this error, or one because of it, so that they can still talk.

        Of one that a single process has, the others hear when it ends; until then they wait for it elsewhere.
        """
        return self.size == 1 or hasattr(error, _IN_ALL)

    def _talk(self, operation: Any, *arguments: Any) -> None:
        try:
            operation(*arguments, group=self._group)
        except RuntimeError as error:
            raise PeerFailed(
                f"process {self.rank} of {self.size} lost the others; one of them ended, and its own last "
                f"message tells why ({str(error).splitlines()[0]})"
            ) from error


def launched() -> int:
    """How many processes the launcher started, as far as it told; known before they have met."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first_launched() -> bool:
    """Whether this process will be the first, as far as the launcher told; known before they have met."""
    return int(os.environ.get("RANK", "0")) == 0


@cache
def _gloo() -> Any:
    """The group that nearly all messages use, made by the first who asks."""
    # Its threads abort a process that ends without having left.
    atexit.register(_leave)
    return _new_gloo()


def _new_gloo() -> Any:
    return dist.new_group(backend="gloo", timeout=PATIENCE)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _tensor(data: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.numpy().tobytes()
