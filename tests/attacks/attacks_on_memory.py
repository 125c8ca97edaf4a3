"""A cell takes no more memory than its limit, of whatever kind."""

from attack import FILES_BY_LANDLOCK, FILTER, OWN_ROOT, USER, Attack, wall

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local.guest.layers import Layer

DATA, ADDRESS_SPACE = wall(Layer.DATA_LIMIT), wall(Layer.ADDRESS_SPACE_LIMIT)
BOTH = (DATA, ADDRESS_SPACE)
TOO_MUCH = 400 << 20
"""More than `arena.LIMITS` allow, and no more than a test may touch."""
TOO_MANY_ADDRESSES = 3 << 30
"""More than RLIMIT_AS leaves, which has room for an episode's images; none of it is touched."""
ONE = (
    "RLIMIT_AS leaves room for images; behind RLIMIT_DATA stand the control group, where there is one, and "
    "the kernel, which kills guests first"
)
END_OF_ITSELF = frozenset({CellStatus.EXCEPTION, CellStatus.CRASHED})

ATTACKS = (
    Attack("take memory at once", (27,), f"breach(len(bytes({TOO_MANY_ADDRESSES})))", BOTH),
    Attack(
        "take memory in pieces",
        (27,),
        f"kept = [bytes(1 << 20) for _ in range({TOO_MUCH >> 20})]\nbreach()",
        (DATA,),
        single=ONE,
    ),
    Attack(
        "take memory as an array",
        (27,),
        f"import numpy\nbreach(numpy.ones({TOO_MUCH}, 'u1').size)",
        (DATA,),
        single=ONE,
    ),
    Attack(
        "take memory by growing a text",
        (27,),
        f"text = 'x' * 1000\nwhile len(text) < {TOO_MUCH}: text += text\nbreach()",
        (DATA,),
        single=ONE,
    ),
    Attack(
        "take memory from the kernel",
        (27,),
        f"import mmap\nbreach(mmap.mmap(-1, {TOO_MANY_ADDRESSES}, flags=0x22))",
        BOTH,
    ),
    Attack(
        "take memory by moving the break",
        (27,),
        "libc.sbrk.restype = ctypes.c_ssize_t\n"
        f"if libc.sbrk(ctypes.c_ssize_t({TOO_MANY_ADDRESSES})) != -1: breach()",
        BOTH,
    ),
    Attack(
        "take memory that is made writable later",
        (27,),
        "libc.mmap.restype = ctypes.c_void_p\n"
        f"at = libc.mmap(None, ctypes.c_size_t({TOO_MANY_ADDRESSES}), 0, 0x22, -1, 0)\n"
        f"if libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t({TOO_MANY_ADDRESSES}), 3) == 0: breach()",
        BOTH,
    ),
    Attack(
        "take memory as an image",
        (29,),
        "from PIL import Image\nbreach(Image.new('RGB', (12_000, 10_000)).size)",
        (DATA,),
        single=ONE,
    ),
    Attack(
        "take memory as a figure",
        (29,),
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(120, 120), dpi=90).canvas.draw()\nbreach()",
        (DATA,),
        single=ONE,
    ),
    Attack(
        "take memory as a stack, which no limit on data counts",
        (27,),
        f"import mmap\nbreach(mmap.mmap(-1, {TOO_MANY_ADDRESSES}, flags=0x122))",
        (FILTER, ADDRESS_SPACE),
    ),
    Attack(
        "take shared memory, which no limit on data counts",
        (28,),
        f"import mmap\nbreach(mmap.mmap(-1, {TOO_MANY_ADDRESSES}, flags=0x21))",
        (FILTER, ADDRESS_SPACE),
    ),
    Attack(
        "take shared memory by mapping a device",
        (28,),
        f"import mmap\nbreach(mmap.mmap(os.open('/dev/zero', os.O_RDWR), {TOO_MANY_ADDRESSES}))",
        (OWN_ROOT, FILES_BY_LANDLOCK, ADDRESS_SPACE),
    ),
    Attack(
        "take memory as a file without a name",
        (28,),
        "breach(os.posix_fallocate(os.memfd_create('x'), 0, 4 << 20))",
        (FILTER, wall(Layer.FILE_SIZE_LIMIT)),
    ),
    Attack(
        "take memory as many files without a name",
        (28,),
        "files = [os.memfd_create('x') for _ in range(70)]\nbreach()",
        (FILTER, wall(Layer.DESCRIPTORS_LIMIT)),
    ),
    Attack(
        "take memory in /dev/shm",
        (28,),
        "name = f'/dev/shm/deepeyes-attacks-{os.getpid()}-{time.monotonic_ns()}'\n"
        "with open(name, 'wb'): os.unlink(name)\nbreach()",
        (OWN_ROOT, FILES_BY_LANDLOCK),
        single="without namespaces Landlock stands alone between a guest and what its user may write",
    ),
    Attack(
        "read shared memory of the host's user",
        (28,),
        "breach(call('shmget', host.segment, 0, 0o600))",
        (FILTER, wall(Layer.IPC_NAMESPACE), USER),
        single="for an ordinary user without namespaces the filter stands alone",
    ),
    Attack(
        "keep a message queue",
        (28,),
        "name = b'deepeyes-attacks'\nqueue = call('mq_open', name, os.O_CREAT | os.O_RDWR, 0o600, None)\n"
        "os.close(queue)\ncall('mq_unlink', name)\nbreach()",
        (FILTER, wall(Layer.MESSAGE_QUEUES_LIMIT)),
    ),
    Attack(
        "lock memory",
        (27,),
        "buffer = ctypes.create_string_buffer(1 << 20)\nif libc.mlock(buffer, 1 << 20) == 0: breach()",
        (FILTER, wall(Layer.LOCKED_MEMORY_LIMIT, Layer.NO_CAPABILITIES)),
    ),
    Attack(
        "take pages from the host's own pool",
        (28,),
        "import mmap\ntry: breach(mmap.mmap(-1, 1 << 21, flags=0x40022))\n"
        "except OSError as error:\n    if error.errno == errno.ENOMEM: breach('only that there are none')",
        (FILTER,),
        single="an administrator must have set such pages aside",
    ),
    Attack(
        "grow the buffers of a socket",
        (37,),
        """
ours, theirs = socket.socketpair()
size = ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
if ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) > size: breach()""",
        (FILTER,),
        single="the kernel has a limit (net.core.wmem_max), and 64 descriptors are all there are",
    ),
    Attack(
        "grow the buffers of a pipe",
        (37,),
        "import fcntl\nbreach(fcntl.fcntl(os.pipe()[1], fcntl.F_SETPIPE_SZ, 1 << 20))",
        (FILTER,),
        single="the kernel has a limit (fs.pipe-max-size), and 64 descriptors are all there are",
    ),
    Attack(
        "open many files",
        (37,),
        "pipes = [os.pipe() for _ in range(40)]\nbreach()",
        (wall(Layer.DESCRIPTORS_LIMIT),),
        single="each costs the kernel little; the host's own limit on all files stands behind it",
    ),
    Attack(
        "recurse in Python",
        (31,),
        "def f(): f()\nf()",
        inside="the interpreter's own limit; the worst is a crash of the own process",
        then="again\n",
        ends=frozenset({CellStatus.EXCEPTION}),
    ),
    Attack(
        "recurse without the interpreter's limit",
        (31,),
        "sys.setrecursionlimit(10**9)\nclass A: __getattr__ = lambda self, name: getattr(self, name)\nA().x",
        inside="the worst is a crash of the own process",
        ends=END_OF_ITSELF,
    ),
    Attack(
        "recurse in the parser and in repr",
        (31,),
        "x = []\nfor _ in range(100_000): x = [x]\n"
        "try: print(x)\nexcept RecursionError: print('refused')\n"
        "eval('(' * 10_000 + ')' * 10_000)",
        inside="the interpreter's own limits; the worst is a crash of the own process",
        ends=END_OF_ITSELF,
    ),
    Attack(
        "overflow the stack in C",
        (31,),
        "grow = ctypes.CFUNCTYPE(None)(lambda: grow())\nsys.setrecursionlimit(10**9)\ngrow()",
        inside="the worst is a crash of the own process",
        ends=END_OF_ITSELF,
    ),
)
