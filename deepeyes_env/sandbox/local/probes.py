"""Short hostile cells over all threats, for `deepeyes sandbox check` and for the tests.

They do no harm where nothing stops them: a signal is number 0, a file is a bait of the check's own, memory is
taken and not touched. A cell that runs to its end has got through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deepeyes_env.sandbox.base import CellResult, CellStatus
from deepeyes_env.sandbox.local.guest import wire

_EXCEPTION = frozenset({CellStatus.EXCEPTION})
_ENDED = frozenset({CellStatus.TIMEOUT, CellStatus.KILLED})
"""By the interrupt or by the kill: on a busy machine, one may come where the other is usual."""
_GONE = r"(FileNotFound|Permission)Error"
_REFUSED = "PermissionError"
_CUT_NOTICE_CHARS = 200
"""More than the note that stands where the middle of an output was cut."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One attack. Its cell finds `HELPERS` and the names of `bait.Bait` in its session.

    Attributes:
        threat: What it threatens, in a word.
        name: What it tries.
        code: The cell.
        error: How its error begins where a layer stops it, as a regular expression: a slip in the cell is
            no layer. None if the host ends the cell, not an error in it.
        ends: How the cell ends when it is stopped.
        seconds: Time of the cell.
    """

    threat: str
    name: str
    code: str
    error: str | None
    ends: frozenset[CellStatus] = _EXCEPTION
    seconds: float = 5.0

    def held(self, result: CellResult, output_chars: int) -> bool:
        """Whether the sandbox held.

        Args:
            result: How the cell ended.
            output_chars: The session's limit.
        """
        if max(len(result.stdout), len(result.stderr)) > output_chars + _CUT_NOTICE_CHARS:
            return False
        if result.status is CellStatus.EXCEPTION and self.error is not None:
            return result.status in self.ends and bool(re.match(self.error, error_line(result.stderr)))
        return result.status in self.ends


def error_line(stderr: str) -> str:
    """The line of a traceback that names the error; of a note by the host, its text."""
    lines = [line for line in stderr.splitlines() if line and not line[0].isspace()]
    errors = [line for line in lines if not line.startswith("[")]
    return errors[-1] if errors else lines[-1].strip("[]") if lines else ""


HELPERS = """
import ctypes, mmap, os, platform, resource, signal, socket, struct, subprocess, sys, threading, time
import numpy
from PIL import Image

libc = ctypes.CDLL(None, use_errno=True)

def syscall(name, *arguments):
    x86_64, aarch64 = NUMBERS[name]
    number = x86_64 if platform.machine() == 'x86_64' else aarch64
    result = libc.syscall(number, *map(ctypes.c_long, arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

NUMBERS = {
    'bpf': (321, 280), 'io_uring_setup': (425, 425), 'keyctl': (250, 219), 'memfd_create': (319, 279),
    'perf_event_open': (298, 241), 'pidfd_open': (434, 434), 'process_vm_readv': (310, 270),
    'ptrace': (101, 117), 'setns': (308, 268), 'umount2': (166, 39), 'unshare': (272, 97),
    'userfaultfd': (323, 282), 'vmsplice': (278, 75),
}
"""
"""The first cell of a session under attack. Numbers from Linux `unistd_64.h` and `asm-generic/unistd.h`."""

PROBES = (
    Probe("files", "read a file of the host", "open(HOST_FILE).read()", _GONE),
    Probe("files", "list /sys", "os.listdir('/sys')", _GONE),
    Probe("files", "read a sibling's file", "open(SIBLING_FILE).read()", _GONE),
    Probe(
        "files",
        "read it through a link",
        "os.symlink(HOST_FILE, 'link')\nopen('link').read()",
        _GONE,
    ),
    Probe("environment", "read a host's variable", "os.environ[HOST_VARIABLE]", "KeyError"),
    Probe("/proc", "read the host's arguments", "open(f'/proc/{HOST_PID}/cmdline').read()", _GONE),
    Probe("/proc", "read its own status", "open('/proc/self/status').read()", _GONE),
    Probe("writes", "write to a host's file", "open(HOST_FILE, 'w').write('taken')", _GONE),
    Probe("writes", "make a file beside it", "open(HOST_FOLDER + '/new', 'x')", _GONE),
    Probe("writes", "change a library", "open(numpy.__file__, 'r+')", r"(OSError: \[Errno 30\]|Permission)"),
    Probe("network", "TCP to the host", "socket.create_connection(('127.0.0.1', HOST_PORT), 1)", _REFUSED),
    Probe("network", "a UDP socket", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", _REFUSED),
    Probe(
        "network",
        "the host's abstract socket",
        "mine, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\nmine.connect(HOST_SOCKET)",
        _REFUSED,
    ),
    Probe("processes", "fork", "if not os.fork(): os._exit(0)", _REFUSED),
    Probe("processes", "start a program", "subprocess.run(['/bin/true'])", _REFUSED),
    Probe("signals", "to its group: kill(0)", "os.kill(0, 0)", _REFUSED),
    Probe("signals", "to everybody: kill(-1)", "os.kill(-1, 0)", _REFUSED),
    Probe("signals", "to the host", "os.kill(HOST_PID, 0)", _REFUSED),
    Probe("rights", "become root", "os.setuid(0)", _REFUSED),
    Probe("rights", "a new user namespace", "syscall('unshare', 0x10000000)", _REFUSED),
    Probe(
        "rights",
        "raise its memory limit",
        "resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)",
        "(ValueError: not allowed|PermissionError)",
    ),
    Probe(
        "memory",
        "read the host's memory",
        "syscall('process_vm_readv', HOST_PID, 0, 0, 0, 0, 0)",
        _REFUSED,
    ),
    Probe("memory", "four times its limit", "taken = bytes(4 * MEMORY_BYTES)", "MemoryError"),
    Probe("memory", "shared, uncounted memory", "mmap.mmap(-1, 1 << 20, flags=0x21)", _REFUSED),
    Probe("memory", "a huge picture", "taken = Image.new('RGB', (8_000, 8_000))", "MemoryError"),
    Probe(
        "quota",
        "a file too large",
        "file = open('large', 'wb')\nfor _ in range(2 * TMP_BYTES >> 20): file.write(bytes(1 << 20))",
        r"OSError: \[Errno (27|28)\]",
    ),
    # Where nothing can be mounted, the janitor looks twice a second and kills.
    Probe(
        "quota",
        "too many files",
        "for number in range(2 * TMP_FILES): open(f'file{number}', 'x').close()\ntime.sleep(3)",
        r"OSError: \[Errno 28\]",
        frozenset({CellStatus.EXCEPTION, CellStatus.CRASHED}),
    ),
    Probe(
        "threads",
        "too many threads",
        "for _ in range(99): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        "(RuntimeError: can't start new thread|MemoryError)",
    ),
    Probe("time", "loop for ever", "while True: pass", None, _ENDED, 0.2),
    Probe(
        "time",
        "deaf to the interrupt",
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        None,
        _ENDED,
        0.2,
    ),
    Probe("output", "flood", "while True: print('x' * 1_000)", None, _ENDED, 0.2),
    Probe(
        "syscalls",
        "a dozen dangerous ones",
        """
reached = []
for name in NUMBERS:
    try: reached.append((name, syscall(name, -1, -1, -1, -1, -1, -1)))
    except OSError as error:
        if error.errno != 1: reached.append((name, error.errno))
if not reached: raise PermissionError(1, 'all refused')
print(reached)""",
        _REFUSED,
    ),
    Probe(
        "protocol",
        "garbage for the host",
        "socket.socket(fileno=3).sendall(b'garbage' * 1_000)",
        None,
        frozenset({CellStatus.CRASHED}),
    ),
    Probe(
        "protocol",
        "a reply of four gigabytes",
        f"""
frame = sys._getframe()
while 'token' not in frame.f_locals: frame = frame.f_back
token = frame.f_locals['token']
header = struct.pack({wire.REPLY.format!r}, {wire.REPLY_MAGIC!r}, 1, token, 0, 0, 0, 2**32 - 1, 0)
socket.socket(fileno=3).sendall(header)""",
        None,
        frozenset({CellStatus.CRASHED}),
    ),
    Probe("crash", "exit at once", "os._exit(0)", None, frozenset({CellStatus.CRASHED})),
    Probe("crash", "a segmentation fault", "ctypes.string_at(0)", None, frozenset({CellStatus.CRASHED})),
)
"""The threats of `docs/sandbox.md` that a cell can try; the host's own death is tried by the tests."""
