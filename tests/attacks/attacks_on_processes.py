"""A cell starts no process, signals and watches nobody but itself, and becomes no one else."""

from attack import (
    AS_FULL,
    AS_ORDINARY,
    AS_ORDINARY_WITHOUT_NAMESPACES,
    CAPABILITIES,
    FILES_BY_LANDLOCK,
    FILTER,
    OWN_ROOT,
    PLACES,
    PROCESSES,
    PROCESSES_PER_GUEST,
    SCOPE,
    USER,
    USER_OF_ITS_OWN,
    Attack,
    wall,
)

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local.guest.layers import Layer

PROCESS_COUNT = wall(Layer.THREADS_LIMIT, Layer.GUEST_USER_NAMESPACE, Layer.UNPRIVILEGED_USER)
"""Root is not counted (`fork.c`), so its guests must be someone else."""
PROCESS_COUNT_OF_USER = wall(Layer.THREADS_LIMIT, Layer.UNPRIVILEGED_USER, Layer.PRIVATE_DIRECTORY)
OTHERS = (PROCESSES, FILTER, SCOPE, USER)
SIBLINGS = (PROCESSES_PER_GUEST, FILTER, SCOPE, USER_OF_ITS_OWN)
ONLY_FILTER = "for an ordinary user without namespaces the filter stands alone"
A_CHILD = "a child has all walls of its parent, is counted as a thread and dies with it"

ATTACKS = (
    Attack(
        "start a process by raw calls",
        (12,),
        """
def fork(*arguments):
    if call(*arguments) == 0: libc._exit(0)
    breach()
each(lambda: fork('clone', 17, 0, 0, 0, 0), lambda: fork('clone', signal.SIGCHLD, 0, 0, 0, 0))
each(lambda: fork('clone', 0x10000000 | 17, 0, 0, 0, 0))""",
        (FILTER,),
        single=A_CHILD,
    ),
    Attack(
        "start a process by every name",
        (12, 13),
        """
import multiprocessing, pty, subprocess
def forked(fork):
    child = fork()
    if child == 0: os._exit(0)
    if child > 0: breach()
each(lambda: forked(os.fork), lambda: forked(lambda: os.forkpty()[0]), lambda: forked(libc.fork))
each(lambda: multiprocessing.get_context('fork').Process(target=breach).start() or breach())""",
        (FILTER,),
        single=A_CHILD,
    ),
    Attack(
        "start a process in the memory of the parent",
        (12,),
        """
each(lambda: breach(call('clone', 0x4100 | 17, 0, 0, 0, 0)))
arguments = ctypes.create_string_buffer(struct.pack('<8Q', 0, 0, 0, 0, 17, 0, 0, 0))
each(lambda: breach(call('clone3', arguments, 64)))""",
        (FILTER,),
        untried=frozenset(PLACES),
        because="the child would go on in the frames of its parent",
    ),
    Attack(
        "run a program of the host",
        (13,),
        """
import subprocess
def run(command, **options):
    if subprocess.run(command, **options).returncode == 7: breach()
each(lambda: run(['/bin/sh', '-c', 'exit 7']), lambda: run('exit 7', shell=True),
     lambda: breach() if os.system('exit 7') == 7 << 8 else 0,
     lambda: os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 7'], {}), 0)[1] == 7 << 8 and breach(),
     lambda: breach() if os.popen('echo ran').read() else 0)""",
        (FILTER, FILES_BY_LANDLOCK, OWN_ROOT),
    ),
    Attack(
        "become a program",
        (13,),
        """
def become(exec):
    try: exec()
    except OSError as error:
        if error.errno == errno.ENOEXEC: breach()  # all that stopped it is that the file is no program
arguments = (ctypes.c_char_p * 2)(b'x')
for path in (host.program, host.tool):
    become(lambda: os.execv(path, ['x']))
    become(lambda: os.execvpe(path, ['x'], {}))
    become(lambda: os.execve(os.open(path, os.O_RDONLY), ['x'], {}))
    become(lambda: call('execve', path.encode(), arguments, None))
    become(lambda: call('execveat', -100, path.encode(), arguments, None, 0))
    become(lambda: call('execveat', os.open(path, os.O_PATH), b'', arguments, None, 0x1000))""",
        (FILTER, FILES_BY_LANDLOCK),
        ground=wall(Layer.OWN_ROOT),
    ),
    Attack(
        "bomb with processes",
        (14,),
        """
born = 0
for _ in range(20):
    child = call('clone', 17, 0, 0, 0, 0)
    if child == 0: libc._exit(0)
    born += 1
    if born > 6: breach()""",
        (FILTER, PROCESS_COUNT, PROCESS_COUNT_OF_USER),
        single="as an ordinary user the count is the guest's own only in a user namespace; and " + A_CHILD,
    ),
    Attack(
        "bomb with threads",
        (15,),
        """
threads = [threading.Thread(target=time.sleep, args=(1,)) for _ in range(40)]
for thread in threads: thread.start()
breach()
for thread in threads: thread.join()""",
        (PROCESS_COUNT, PROCESS_COUNT_OF_USER, wall(Layer.DATA_LIMIT)),
        single="an ordinary user without namespaces has no count of the guest's own; threads need memory",
        # Python waits for ever for a thread that has no memory to say that it has started.
        ends=frozenset({CellStatus.EXCEPTION, CellStatus.TIMEOUT, CellStatus.CRASHED}),
        seconds=3.0,
    ),
    Attack("kill the victim", (17,), "os.kill(host.victim, 9)\ntime.sleep(0.1)", OTHERS),
    Attack("kill the victim's process group", (17,), "os.killpg(host.victim, 9)\ntime.sleep(0.1)", OTHERS),
    Attack(
        "signal the trainer",
        (17,),
        "each(lambda: breach(os.kill(host.pid, 0)), lambda: breach(os.killpg(host.pid, 0)))",
        OTHERS,
    ),
    Attack(
        "signal the parent",
        (17,),
        "parent = os.getppid()\nif parent > 0: breach(os.kill(parent, 0))",
        (PROCESSES_PER_GUEST, FILTER, SCOPE, USER_OF_ITS_OWN),
    ),
    Attack(
        "signal the first process",
        (17,),
        "if os.getpid() != 1: breach(os.kill(1, 0))",
        (PROCESSES_PER_GUEST, FILTER, SCOPE, USER_OF_ITS_OWN),
        untried=AS_ORDINARY,
        because="an ordinary user may not signal it anyway",
    ),
    Attack(
        "signal everybody",
        (17,),
        "breach(os.kill(-1, 0))  # 0 only asks whether it might",
        (PROCESSES_PER_GUEST, FILTER),
        single="the kernel says yes as soon as there is anybody to ask about; that Landlock and the user id "
        "save each of them is what the other attacks show",
    ),
    Attack(
        "signal the own process group, which may be the trainer's",
        (17,),
        "each(lambda: os.kill(0, signal.SIGWINCH), lambda: os.killpg(0, signal.SIGWINCH),\n"
        "     lambda: os.killpg(os.getpgid(0), signal.SIGWINCH))",
        (wall(Layer.SESSION), FILTER, SCOPE, USER_OF_ITS_OWN),
    ),
    Attack("signal a sibling", (17,), "os.kill(host.sibling, signal.SIGWINCH)", SIBLINGS),
    Attack(
        "signal by every other call",
        (18,),
        """
info = ctypes.create_string_buffer(struct.pack('<iii', 9, 0, -1), 128)
each(lambda: call('tkill', host.victim, 9), lambda: call('tgkill', host.victim, host.victim, 9),
     lambda: call('rt_sigqueueinfo', host.victim, 9, info),
     lambda: call('rt_tgsigqueueinfo', host.victim, host.victim, 9, info),
     lambda: call('pidfd_send_signal', call('pidfd_open', host.victim, 0), 9, None, 0))
time.sleep(0.1)""",
        OTHERS,
    ),
    Attack(
        "signal the trainer by the handle that its socket gives",
        (18, 26),
        """
SO_PEERPIDFD = 77
handle = socket.socket(fileno=os.dup(3)).getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
breach(call('pidfd_send_signal', handle, 0, None, 0))""",
        OTHERS,
        optional=True,
    ),
    Attack(
        "learn which processes there are",
        (17,),
        "breach(os.getpgid(host.victim))",
        (PROCESSES,),
        single="which numbers are taken is no secret; without namespaces these calls tell it",
    ),
    Attack(
        "let the kernel signal when there is something to read",
        (18,),
        """
import fcntl
ours, theirs = socket.socketpair()
fcntl.fcntl(ours, fcntl.F_SETOWN, host.victim)
fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC)
theirs.send(b'x')
time.sleep(0.1)""",
        OTHERS,
    ),
    Attack(
        "trace, read and compare other processes",
        (19,),
        """
buffer = ctypes.create_string_buffer(8)
ours, theirs = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8), (ctypes.c_void_p * 2)(4096, 8)
def read(pid):
    try: call('process_vm_readv', pid, ours, 1, theirs, 1, 0)
    except OSError as error:
        if error.errno == errno.EFAULT: breach()
for pid in (host.victim, host.pid, host.sibling if host.sibling != os.getpid() else host.pid):
    each(lambda: breach(call('ptrace', 0x4206, pid, 0, 0)), lambda: read(pid))
    each(lambda: breach(call('pidfd_getfd', call('pidfd_open', pid, 0), 0, 0)))
    each(lambda: breach(call('kcmp', pid, os.getpid(), 0, 0, 0)))""",
        (PROCESSES_PER_GUEST, FILTER, FILES_BY_LANDLOCK, USER_OF_ITS_OWN),
        untried=AS_FULL,
        because="a process in a user namespace of its own may never look into one outside",
    ),
    Attack(
        "trace and read a sibling",
        (19,),
        """
buffer = ctypes.create_string_buffer(8)
ours = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
theirs = (ctypes.c_void_p * 2)(int(host.sibling_address, 16), 8)
if host.sibling != os.getpid():
    each(lambda: breach(call('process_vm_readv', host.sibling, ours, 1, theirs, 1, 0)))
    each(lambda: breach(call('ptrace', 0x4206, host.sibling, 0, 0)))""",
        (
            PROCESSES_PER_GUEST,
            FILTER,
            FILES_BY_LANDLOCK,
            USER_OF_ITS_OWN,
            wall(Layer.NOT_DUMPABLE, Layer.NO_CAPABILITIES),
        ),
    ),
    Attack(
        "take processor time from others",
        (20,),
        "each(lambda: call('setpriority', 0, host.victim, 19),\n"
        "     lambda: breach(call('sched_setscheduler', host.victim, 5, ctypes.byref(ctypes.c_int(0)))),\n"
        "     lambda: breach(os.sched_setaffinity(host.victim, {0})))",
        (PROCESSES, FILTER, USER),
        single=ONLY_FILTER,
    ),
    Attack(
        "change the limits of others",
        (20,),
        "import resource\nbreach(resource.prlimit(host.victim, resource.RLIMIT_CORE, (0, 0)))",
        (PROCESSES, FILTER, USER),
        single=ONLY_FILTER,
    ),
    Attack(
        "take more processor time than siblings",
        (20,),
        "breach(os.sched_setaffinity(0, os.sched_getaffinity(0)))",
        (FILTER,),
        single="harmless, but refused with the rest",
    ),
    Attack(
        "become real root's groups",
        (20,),
        "breach(os.setgroups([0]))",
        (FILTER, CAPABILITIES, USER_OF_ITS_OWN),
        untried=AS_FULL | AS_ORDINARY,
        because="only root outside of every namespace may",
    ),
    Attack(
        "take capabilities",
        (20, 42),
        """
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
sets = (ctypes.c_uint32 * 6)(1 << 21, 1 << 21, 0, 0, 0, 0)
breach(call('capset', header, sets))""",
        (FILTER, CAPABILITIES, USER_OF_ITS_OWN),
        untried=AS_ORDINARY_WITHOUT_NAMESPACES,
        because="an ordinary user has none to take",
    ),
    Attack(
        "stop itself for ever",
        (21,),
        "os.kill(os.getpid(), signal.SIGSTOP)",
        inside="the host's clock: test_lifecycle.py::test_held[clock]",
        ends=frozenset({CellStatus.KILLED, CellStatus.OK}),
        seconds=0.3,
    ),
)
