"""Runs a script in another process, as root or as an ordinary user, also where the kernel refuses calls."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
PATH = [
    str(PROJECT),
    str(Path(__file__).parent),
    *(entry for entry in sys.path if entry.endswith("-packages")),
]

_DOCKER_CAPABILITIES = (
    "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot mknod "
    "audit_write setfcap net_raw"
)
"""What Docker's root has (its documentation, "Runtime privilege and Linux capabilities")."""

USERS = {
    "root": [],
    "docker's root": [
        "setpriv",
        "--inh-caps=-all",
        "--bounding-set=-all," + ",".join(f"+{name}" for name in _DOCKER_CAPABILITIES.split()),
    ],
    "nobody": ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"],
}

_PROBE = """
import subprocess, sys
subprocess.run([sys.executable, "-c", ""], check=True)
sys.path[:0] = {path!r}
import numpy, deepeyes_env
"""

_REFUSE = """
import struct, sys
sys.path[:0] = {path!r}
from deepeyes_env.sandbox.local.guest import libc, seccomp
from deepeyes_env.sandbox.local.guest.syscalls import CHECKED, SETUP, numbers

def refuse(calls, clone_flags=0, error=1):
    known = numbers(SETUP) | numbers(CHECKED)
    rules = [(0x20, 0, 0, 0)]
    for name in calls:
        rules += [(0x15, 0, 1, known[name]), (6, 0, 0, 0x50000 | error)]
    if clone_flags:
        rules += [(0x15, 0, 1, known["clone3"]), (6, 0, 0, 0x50026)]
        rules += [(0x15, 0, 3, known["clone"]), (0x20, 0, 0, 16), (0x45, 0, 1, clone_flags)]
        rules += [(6, 0, 0, 0x50001)]
    rules.append((6, 0, 0, 0x7FFF0000))
    code = b"".join(struct.pack("<HBBI", *rule) for rule in rules)
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    libc.call("seccomp", 1, 0, seccomp._Program(len(rules), code))
"""

DOCKER = "refuse('unshare mount umount2 setns pivot_root mount_setattr'.split(), clone_flags=0x7E020000)\n"
"""As Docker's default profile does it (moby, `profiles/seccomp/default.json`): EPERM, and no `clone3`."""

NO_LANDLOCK = "refuse(['landlock_create_ruleset'], error=38)\n"
"""As a kernel without Landlock does it: ENOSYS."""

UBUNTU = "refuse(['mount'])\n"
"""As AppArmor on Ubuntu since 23.10: the namespace can be made, and then nothing in it may be mounted."""


@functools.cache
def interpreter() -> str | None:
    """A Python with the libraries that ordinary users can start."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        if os.path.exists(python):
            probe = [*USERS["nobody"], python, "-B", "-c", _PROBE.format(path=PATH)]
            if subprocess.run(probe, cwd="/", capture_output=True).returncode == 0:
                return python
    return None


def command(user: str, script: str) -> list[str]:
    """The command that runs a script as a key of `USERS`; the test is skipped where that cannot be.

    The script may call `refuse`, and has the tests' `sys.path`.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    python = interpreter()
    if python is None:
        pytest.skip("no interpreter with the libraries is readable for an ordinary user here")
    return [*USERS[user], python, "-B", "-c", _REFUSE.format(path=PATH) + script]


def run_as(user: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end; see `command`."""
    return subprocess.run(command(user, script), cwd="/", capture_output=True, text=True, check=False)
