"""The walls between a guest and the host by name, and the two sets of them that are called levels."""

from __future__ import annotations

from enum import StrEnum


class Layer(StrEnum):
    """One wall. The values are what messages and `deepeyes sandbox check` call it."""

    USER_NAMESPACE = "user namespace"
    MOUNT_NAMESPACE = "mount namespace"
    OWN_ROOT = "own root"
    READ_ONLY_MOUNTS = "read-only mounts"
    PID_NAMESPACE = "PID namespace"
    NETWORK_NAMESPACE = "network namespace"
    IPC_NAMESPACE = "IPC namespace"
    UTS_NAMESPACE = "UTS namespace"
    CGROUP_NAMESPACE = "cgroup namespace"
    GUEST_USER_NAMESPACE = "user namespace per session"
    GUEST_PID_NAMESPACE = "PID namespace per session"
    PRIVATE_TMP = "private /tmp"
    TMP_QUOTA = "quota of /tmp"
    PRIVATE_DIRECTORY = "private directory"
    DIRECTORY_QUOTA = "quota of the directory"
    UNPRIVILEGED_USER = "unprivileged user id"
    CLEAN_ENVIRONMENT = "clean environment"
    CLOSED_DESCRIPTORS = "closed descriptors"
    SESSION = "own process group"
    PARENT_DEATH_SIGNAL = "parent-death signal"
    FIRST_TO_DIE = "out-of-memory score"
    DATA_LIMIT = "RLIMIT_DATA"
    ADDRESS_SPACE_LIMIT = "RLIMIT_AS"
    STACK_LIMIT = "RLIMIT_STACK"
    FILE_SIZE_LIMIT = "RLIMIT_FSIZE"
    THREADS_LIMIT = "RLIMIT_NPROC"
    DESCRIPTORS_LIMIT = "RLIMIT_NOFILE"
    CORE_LIMIT = "RLIMIT_CORE"
    LOCKED_MEMORY_LIMIT = "RLIMIT_MEMLOCK"
    MESSAGE_QUEUES_LIMIT = "RLIMIT_MSGQUEUE"
    NO_CAPABILITIES = "no capabilities"
    NO_NEW_PRIVILEGES = "no_new_privs"
    NOT_DUMPABLE = "not dumpable"
    LANDLOCK_FILES = "Landlock: files"
    LANDLOCK_TCP = "Landlock: TCP"
    LANDLOCK_SCOPE = "Landlock: signals and abstract sockets"
    SECCOMP = "seccomp"


class Level(StrEnum):
    """How much isolation there is. `FULL` is above `NO_NAMESPACES`."""

    FULL = "full"
    """Namespaces, a root of its own, seccomp, limits, and Landlock where the kernel has it."""
    NO_NAMESPACES = "no-namespaces"
    """Landlock, seccomp and limits: what an unprivileged container still allows."""


NAMESPACE_LAYERS = frozenset(
    {
        Layer.USER_NAMESPACE,
        Layer.MOUNT_NAMESPACE,
        Layer.OWN_ROOT,
        Layer.READ_ONLY_MOUNTS,
        Layer.PID_NAMESPACE,
        Layer.NETWORK_NAMESPACE,
        Layer.IPC_NAMESPACE,
        Layer.UTS_NAMESPACE,
        Layer.CGROUP_NAMESPACE,
        Layer.GUEST_USER_NAMESPACE,
        Layer.GUEST_PID_NAMESPACE,
        Layer.PRIVATE_TMP,
        Layer.TMP_QUOTA,
    }
)
"""What needs namespaces or mounts."""

DIRECTORY_LAYERS = frozenset({Layer.PRIVATE_DIRECTORY, Layer.DIRECTORY_QUOTA})
"""What takes the place of a private /tmp where nothing can be mounted."""

LAYERS = {
    Level.FULL: frozenset(Layer) - DIRECTORY_LAYERS,
    Level.NO_NAMESPACES: frozenset(Layer) - NAMESPACE_LAYERS,
}
"""What stands at each level."""
