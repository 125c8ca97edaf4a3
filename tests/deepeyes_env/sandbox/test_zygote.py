"""The zygote's loop, with guests that die before anything is known of them."""

from __future__ import annotations

import subprocess
import sys

LOOP = """
import os, signal, socket
from deepeyes_env.sandbox.local.guest import wire, zygote

class Doomed:
    def fork(self):
        pid = os.fork()
        if not pid:
            os._exit(1)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
host, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
for _ in range(3):
    zygote._open_session(ours, Doomed(), wire.FORK, -1, None, None)
    print(*(len(part) for part in socket.recv_fds(host, 1 << 10, 1)[:2]))
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("nobody left")
"""


def test_a_guest_that_dies_at_once_is_handed_over_and_reaped() -> None:
    done = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, timeout=60)
    assert done.stdout == "1 1\n" * 3 + "nobody left\n", done.stderr
