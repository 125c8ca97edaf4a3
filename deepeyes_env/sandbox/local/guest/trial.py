"""Which namespaces can be made here, each tried in a throw-away child; for `deepeyes sandbox check`."""

from __future__ import annotations

import json
import os

from . import libc
from .layers import Layer
from .libc import call, prctl

_NOBODY = 65534
_MAX_CAUSE_BYTES = 500
_FLAGS = {Layer.USER_NAMESPACE: 0} | libc.NAMESPACES
"""What to make inside of a new user namespace."""


def main() -> None:
    """Print as JSON why each namespace cannot be made, or an empty string if it can.

    Without a user namespace none of the others can be tried, and only it is in the result.
    """
    causes = {}
    for layer, flag in _FLAGS.items():
        causes[layer.value] = _refusal(flag)
        if layer is Layer.USER_NAMESPACE and causes[layer.value]:
            break
    print(json.dumps(causes))


def _refusal(flag: int) -> str:
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            _make(flag)
        except OSError as error:
            os.write(write, str(error).encode()[:_MAX_CAUSE_BYTES])
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with open(read, encoding="utf-8") as answer:
        return answer.read()


def _make(flag: int) -> None:
    user, group = os.geteuid(), os.getegid()
    if user == 0:  # as the zygote does it, so that a ban for ordinary users counts
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        prctl(libc.PR_SET_DUMPABLE, 1)
        user = group = _NOBODY
    call("unshare", libc.CLONE_NEWUSER)
    for name, content in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        handle = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(handle, content.encode())
        os.close(handle)
    if flag:
        call("unshare", flag)
    if flag == libc.CLONE_NEWNS:  # on Ubuntu since 23.10 this is what fails
        call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
