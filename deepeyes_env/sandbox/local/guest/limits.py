"""The kernel's resource limits of a guest (`getrlimit(2)`)."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import NamedTuple

from .layers import Layer

_THREAD_ADDRESS_SPACE = 128 << 20
"""Address space that glibc reserves for one more thread: its stack and an arena of its own."""
IMAGES_ADDRESS_SPACE = 2 << 30
"""Room for an episode's images, which are mapped and take no memory of the guest's: 500 megapixels."""
_MAIN_STACK = 8 << 20
"""Linux's default (`_STK_LIM`); RLIMIT_DATA does not count stacks and a host may have lifted their limit."""
_OPEN_FILES = 64


@dataclass(frozen=True, slots=True)
class GuestLimits:
    """The kernel's share of `SandboxLimits`, in the same units; see there."""

    memory_bytes: int
    threads: int
    tmp_bytes: int
    tmp_files: int


class HardLimit(NamedTuple):
    """A limit that nobody can raise again, and the layer that it is."""

    layer: Layer
    resource: int
    value: int


def hard_limits(limits: GuestLimits, data: int, size: int) -> list[HardLimit]:
    """The hard limits of a guest, which are the host's where those are lower.

    Args:
        limits: What the session may have.
        data: Bytes of data that the zygote's libraries occupy already.
        size: Bytes of address space that they occupy already.
    """
    address_space = size + limits.memory_bytes + limits.tmp_bytes + IMAGES_ADDRESS_SPACE
    address_space += limits.threads * _THREAD_ADDRESS_SPACE
    wanted = (
        (Layer.DATA_LIMIT, resource.RLIMIT_DATA, data + limits.memory_bytes),
        (Layer.ADDRESS_SPACE_LIMIT, resource.RLIMIT_AS, address_space),
        (Layer.STACK_LIMIT, resource.RLIMIT_STACK, _MAIN_STACK),
        (Layer.FILE_SIZE_LIMIT, resource.RLIMIT_FSIZE, limits.tmp_bytes),
        (Layer.THREADS_LIMIT, resource.RLIMIT_NPROC, limits.threads + 1),
        (Layer.DESCRIPTORS_LIMIT, resource.RLIMIT_NOFILE, _OPEN_FILES),
        (Layer.CORE_LIMIT, resource.RLIMIT_CORE, 0),
        (Layer.LOCKED_MEMORY_LIMIT, resource.RLIMIT_MEMLOCK, 0),
        (Layer.MESSAGE_QUEUES_LIMIT, resource.RLIMIT_MSGQUEUE, 0),
    )
    return [HardLimit(wall, kind, _lower(value, resource.getrlimit(kind)[1])) for wall, kind, value in wanted]


def _lower(value: int, hosts: int) -> int:
    return value if hosts == resource.RLIM_INFINITY else min(value, hosts)
