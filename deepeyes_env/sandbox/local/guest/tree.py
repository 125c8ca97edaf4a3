"""The guest's root: a small tmpfs with read-only views of the interpreter, its libraries and fonts."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

from .layers import Layer
from .libc import call, layer

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1 << 1, 1 << 2, 1 << 3
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_MNT_DETACH = 2
_ATTR_RDONLY, _ATTR_NOSUID = 1, 2
_AT_RECURSIVE = 0x8000
_AT_FDCWD = -100

_STAGING = "/proc"
"""Where the tree is built: it exists everywhere and nothing that is shown to a guest lies below it."""

ACCOUNTS = {
    "etc/passwd": "guest:x:65534:65534::/tmp:/bin/false\n",
    "etc/group": "guest:x:65534:\n",
}
"""Files of the tree that are made and not shown."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What the guest sees of the host, chosen by the host (`process.py`).

    Attributes:
        binds: `[source, target]` pairs, parents before children.
        covers: Directories inside a bind whose content is hidden: the interpreter's own site-packages.
        links: `[path, destination]` of symbolic links, such as `/lib` on a merged-/usr system.
        readable: What each guest's Landlock rules let it read: the same, by its path in the guest's root, or
            where it has none, directories around it.
        confined: What the zygote's rules let all guests read where they have no root of their own.
        listed: Directories whose names may be listed besides, or nothing could be imported from them.
    """

    binds: list[list[str]]
    covers: list[str]
    links: list[list[str]]
    readable: list[str]
    confined: list[str]
    listed: list[str]


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def enter(tree: Tree, walls: frozenset[Layer]) -> None:
    """Build the tree and make it this process's root; the old root is gone afterwards.

    Raises:
        LayerError: The kernel refused.
    """
    if Layer.OWN_ROOT not in walls:
        return
    read_only = Layer.READ_ONLY_MOUNTS in walls
    with layer(Layer.MOUNT_NAMESPACE):
        call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
        options = b"mode=755,size=4m,nr_inodes=8k"
        call("mount", b"none", os.fsencode(_STAGING), b"tmpfs", _MS_NOSUID | _MS_NODEV, options)
    with layer(Layer.OWN_ROOT):
        _build(tree, read_only)
        if read_only:
            _protect(_STAGING)
        os.chdir(_STAGING)
        call("pivot_root", b".", b".")
        call("umount2", b".", _MNT_DETACH)
        os.chdir("/")


def private_tmp(size: int, files: int) -> None:
    """Mount an empty /tmp over the present one.

    Args:
        size: Bytes it may hold; 0 for no limit.
        files: Number of files and directories it may hold; 0 for no limit.

    Raises:
        OSError: The kernel refused.
    """
    options = f"mode=700,size={size},nr_inodes={files and files + 1}".encode()
    call("mount", b"none", b"/tmp", b"tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options)
    os.chdir("/tmp")


def _build(tree: Tree, read_only: bool) -> None:
    os.makedirs(_STAGING + "/tmp")
    for path, destination in tree.links:
        os.symlink(destination, _STAGING + path)
    for source, target in tree.binds:
        _bind(source, _STAGING + target, read_only)
        for cover in tree.covers:
            if cover == target or cover.startswith(target + "/"):
                call(
                    "mount",
                    b"none",
                    os.fsencode(_STAGING + cover),
                    b"tmpfs",
                    _MS_NOSUID | _MS_NODEV,
                    b"size=1m",
                )
    os.makedirs(_STAGING + "/etc", exist_ok=True)
    for name, content in ACCOUNTS.items():
        with open(f"{_STAGING}/{name}", "w", encoding="ascii") as file:
            file.write(content)


def _bind(source: str, target: str, read_only: bool) -> None:
    if os.path.exists(target):  # already visible through the view of a parent directory
        return
    if os.path.isdir(source):
        os.makedirs(target)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    call("mount", os.fsencode(source), os.fsencode(target), None, _MS_BIND | _MS_REC, None)
    # At once, so that a path made inside it by mistake could never reach the host.
    if read_only:
        _protect(target)


def _protect(path: str) -> None:
    attributes = _MountAttributes(set=_ATTR_RDONLY | _ATTR_NOSUID)
    call("mount_setattr", _AT_FDCWD, os.fsencode(path), _AT_RECURSIVE, attributes, ctypes.sizeof(attributes))
