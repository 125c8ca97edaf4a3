"""A cell reaches only the part of the kernel that is listed, and cannot loosen what holds it."""

import platform

from attack import (
    AS_FULL,
    AS_ORDINARY,
    CAPABILITIES,
    FILES_BY_LANDLOCK,
    FILTER,
    OWN_ROOT,
    PLACES,
    USER,
    USER_OF_ITS_OWN,
    Attack,
)

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local.guest.layers import Layer
from deepeyes_env.sandbox.local.guest.syscalls import CHECKED, IGNORED, PLAIN, numbers

ON_X86_64 = platform.machine() == "x86_64"
LAST = 470
"""Beyond the last call of Linux 6.18 (469)."""
UNFILTERED = {335, 336} if ON_X86_64 else set()
"""`uretprobe` and `uprobe`: Linux lets them pass every filter; outside of a probe they do nothing or kill."""
ALLOWED = {*numbers(PLAIN).values(), *numbers(CHECKED).values(), *numbers(IGNORED).values()}
REFUSED = [number for number in range(LAST + 1) if number not in ALLOWED | UNFILTERED]

ONLY_FILTER = (
    "a call that everybody may make: nothing but the filter keeps a guest from that part of the kernel"
)
EVERYWHERE = frozenset(PLACES)
DEAD = frozenset({CellStatus.CRASHED})


def _reach(name: str, attempt: str, *walls: frozenset[Layer], cases: tuple[int, ...] = (40,)) -> Attack:
    """A call that is refused before the kernel looks at what is asked: another error is a success too."""
    code = f"""
try:
    {attempt}
    breach()
except OSError as error:
    if error.errno not in (errno.EPERM, errno.EACCES, errno.ENOSYS): breach(error)"""
    single = "" if walls else ONLY_FILTER
    return Attack(name, cases, code, (FILTER, *walls), single=single, optional=True)


_OF_ANOTHER_ARCHITECTURE = (
    Attack(
        "make a call of another architecture",
        (39,),
        "libc.syscall(ctypes.c_long(0x40000000 + 39))\nbreach()",
        (FILTER,),
        single=ONLY_FILTER,
        ends=DEAD,
    ),
    Attack(
        "make a call by the old interrupt",
        (39,),
        """
import mmap
code = mmap.mmap(-1, 4096, flags=0x22, prot=7)
code.write(bytes.fromhex('b814000000cd80c3'))  # mov eax, getpid; int 0x80; ret
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
breach()""",
        (FILTER,),
        single=ONLY_FILTER,
        ends=DEAD,
        optional=True,
    ),
)

ATTACKS = (
    Attack(
        "make every call that is not on the list",
        (38, 40),
        f"""
tried = 0
for number in {REFUSED}:
    ctypes.set_errno(0)
    if (libc.syscall(number, 0, 0, 0, 0, 0, 0), ctypes.get_errno()) != (-1, 1): breach(number)
    tried += 1
print(tried)""",
        (FILTER,),
        untried=EVERYWHERE,
        because="some of these calls would do harm; those of the next attack do none",
        prints=f"{len(REFUSED)}\n",
    ),
    Attack(
        "make harmless calls that are not on the list",
        (38,),
        "each(lambda: breach(call('sched_get_priority_max', 0)),\n"
        "     lambda: breach(call('sched_getscheduler', 0)),\n"
        "     lambda: breach(call('timerfd_create', 0, 0)), lambda: breach(call('inotify_init1', 0)))",
        (FILTER,),
        single=ONLY_FILTER,
    ),
    _reach("ask for io_uring", "call('io_uring_setup', 1, ctypes.create_string_buffer(120))"),
    _reach("ask for userfaultfd", "call('userfaultfd', 1)"),
    _reach("ask for keys", "call('keyctl', 0, -3, 0, 0, 0)"),
    _reach("ask for semaphores", "call('semget', 0x0DEE, 0, 0)"),
    _reach(
        "ask for performance counters",
        "call('perf_event_open',\n"
        "        ctypes.create_string_buffer(struct.pack('<IIQ24xQ', 1, 112, 0, 0x61), 112), 0, -1, -1, 0)",
    ),
    Attack(
        "ask for bpf",
        (40,),
        "breach(call('bpf', 0, ctypes.create_string_buffer(struct.pack('<IIII', 2, 4, 4, 1), 128), 128))",
        (FILTER, CAPABILITIES, USER_OF_ITS_OWN),
        untried=AS_FULL | AS_ORDINARY,
        because="machines refuse it to all but root outside of every namespace (unprivileged_bpf_disabled)",
        optional=True,
    ),
    _reach("change the personality", "call('personality', 0xFFFFFFFF)", cases=(38,)),
    _reach("ask a driver by ioctl", "call('ioctl', 0, 0x5412, b'x')", cases=(41,)),
    Attack(
        "open a terminal and speak to its driver",
        (41,),
        """
terminal = os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY)
number = ctypes.c_int()
breach(call('ioctl', terminal, 0x80045430, ctypes.byref(number)))""",
        (OWN_ROOT, FILES_BY_LANDLOCK, FILTER),
    ),
    *(_OF_ANOTHER_ARCHITECTURE if ON_X86_64 else ()),
    Attack(
        "loosen the filter",
        (42,),
        """
allow = ctypes.create_string_buffer(struct.pack('<HBBI', 6, 0, 0, 0x7FFF0000), 8)
program = ctypes.create_string_buffer(struct.pack('<HxxxxxxQ', 1, ctypes.addressof(allow)), 16)
each(lambda: breach(call('seccomp', 1, 0, program)), lambda: breach(call('prctl', 22, 2, program, 0, 0)))""",
        (FILTER,),
        single="a filter can only be tightened: Linux adds up the verdicts of all",
    ),
    Attack(
        "make rules of its own",
        (42,),
        """
rules = ctypes.create_string_buffer(struct.pack('<QQQ', 1, 0, 0), 24)
each(lambda: breach(call('landlock_create_ruleset', rules, 8, 0)))""",
        (FILTER,),
        single="rules can only be tightened: Linux asks all of them",
    ),
    Attack(
        "allow itself a core dump, and to be looked into",
        (42,),
        "each(lambda: breach(call('prctl', 4, 1, 0, 0, 0)))",
        (FILTER,),
        single="it harms only itself",
    ),
    Attack(
        "raise its limits",
        (42,),
        """
import resource
for name in ('DATA', 'STACK', 'NPROC', 'NOFILE', 'CORE', 'FSIZE', 'AS', 'MEMLOCK', 'MSGQUEUE'):
    kind = getattr(resource, 'RLIMIT_' + name)
    soft, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY: hard = 1 << 62
    each(lambda: breach(name, resource.setrlimit(kind, (min(soft, hard), hard + 1))))""",
        (FILTER, CAPABILITIES, USER),
        untried=EVERYWHERE,
        because="whether root may depends on the machine (CAP_SYS_RESOURCE); lowering them is tried below",
    ),
    Attack(
        "change its limits",
        (42,),
        "import resource\nbreach(resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6)))",
        (FILTER,),
        single="lowering is harmless, and raising the kernel refuses to whoever has no capability",
    ),
    Attack(
        "send what a checked call may not",
        (38,),
        """
import fcntl
ours, theirs = socket.socketpair()
each(lambda: breach(fcntl.fcntl(ours, fcntl.F_SETOWN, os.getpid())),
     lambda: breach(fcntl.fcntl(ours, 10, 12)),
     lambda: breach(fcntl.fcntl(os.open('.', os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_MODIFY)),
     lambda: breach(call('prctl', 8, 0, 0, 0, 0)),
     lambda: breach(call('prlimit64', 0, 7, struct.pack('<QQ', 32, 32), None)))""",
        (FILTER,),
        single=ONLY_FILTER,
    ),
)
