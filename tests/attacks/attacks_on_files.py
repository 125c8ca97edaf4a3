"""A cell reads its libraries and its own directory, and writes nowhere else."""

from attack import (
    AS_FULL,
    AS_ORDINARY,
    AS_ORDINARY_WITHOUT_NAMESPACES,
    CAPABILITIES,
    FILES_BY_LANDLOCK,
    FILTER,
    OWN_ROOT,
    READ_ONLY,
    USER,
    USER_OF_ITS_OWN,
    Attack,
    wall,
)

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local.guest.layers import Layer

READ = (OWN_ROOT, FILES_BY_LANDLOCK)
ONLY_LANDLOCK = "without namespaces only Landlock stands between a guest and what its user may open"
PRIVATE_TMP = wall(Layer.PRIVATE_TMP)
TMP_QUOTA = wall(Layer.PRIVATE_TMP, Layer.TMP_QUOTA)
DIRECTORY_QUOTA = wall(Layer.DIRECTORY_QUOTA)
LIBRARY = wall(Layer.OWN_ROOT)
"""The ground of attacks on what the guest's own root shows of the host."""
ONE_QUOTA = (
    "the size of a tmpfs is one number of one mount; without namespaces the janitor looks every half second"
)

ATTACKS = (
    Attack(
        "read a file that everybody may read",
        (1,),
        "breach(open(host.public).read())",
        READ,
        single=ONLY_LANDLOCK,
    ),
    Attack(
        "read a file of the user",
        (1,),
        "breach(open(host.private).read())",
        (*READ, USER),
        single="as an ordinary user without namespaces: " + ONLY_LANDLOCK,
    ),
    Attack(
        "read through a link in the own directory",
        (1, 9),
        """
with tempfile.TemporaryDirectory() as own:
    os.symlink(host.public, own + '/out.png')
    breach(open(own + '/out.png').read())""",
        READ,
        single=ONLY_LANDLOCK,
    ),
    Attack(
        "read by a way up from the own directory",
        (1, 9),
        "breach(open('../' * 30 + host.public[1:]).read())",
        READ,
        single=ONLY_LANDLOCK,
    ),
    Attack(
        "read through a hard link",
        (9,),
        "os.link(host.public, host.box + '/hard')\nbreach(open(host.box + '/hard').read())",
        READ,
        single=ONLY_LANDLOCK,
    ),
    Attack("list a directory of the host", (2,), "breach(os.listdir(host.box))", READ, single=ONLY_LANDLOCK),
    Attack(
        "learn the size and time of a file of the host",
        (2,),
        "breach(os.stat(host.public))",
        (OWN_ROOT,),
        single="Landlock knows no right to `stat`: without namespaces names and sizes are no secret, and in "
        "them the own root stands alone",
    ),
    Attack(
        "see a secret of the host's environment",
        (3,),
        "if any(host.secret in value for value in os.environ.values()): breach()",
        (wall(Layer.CLEAN_ENVIRONMENT),),
        single="what is not passed on needs no second wall",
    ),
    Attack(
        "see a secret of the environment in memory",
        (3,),
        """
start = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, 'environ')
for index in range(1000):
    if not start[index]: break
    if host.secret.encode() in start[index]: breach(); break""",
        (wall(Layer.CLEAN_ENVIRONMENT),),
        single="what is not passed on needs no second wall",
    ),
    Attack(
        "look into /proc",
        (4,),
        """
for path in ('self/environ', 'self/maps', 'self/mem', '1/status', 'net/tcp', 'mounts', 'kallsyms'):
    each(lambda: breach(os.open('/proc/' + path, os.O_RDONLY)))""",
        READ,
        single=ONLY_LANDLOCK,
    ),
    Attack(
        "read the environment and the memory of the trainer",
        (4,),
        """
for name in ('environ', 'mem', 'maps'):
    each(lambda: breach(os.open(f'/proc/{host.pid}/{name}', os.O_RDONLY)))""",
        (*READ, USER),
        single="as an ordinary user without namespaces: " + ONLY_LANDLOCK,
        untried=AS_FULL,
        because="a process in a user namespace of its own may never look into one outside",
    ),
    Attack(
        "list /sys and the terminals",
        (2,),
        "each(lambda: breach(os.listdir('/sys')), lambda: breach(os.listdir('/dev/pts')))",
        READ,
        single=ONLY_LANDLOCK,
    ),
    Attack(
        "append to a file that everybody may write",
        (5,),
        "open(host.writable, 'a').write('x')",
        READ,
        single=ONLY_LANDLOCK,
    ),
    Attack("make a file", (5,), "open(host.box + '/new', 'w').close()", READ, single=ONLY_LANDLOCK),
    Attack(
        "make a directory, a link, a pipe or a socket's file",
        (5, 9, 11),
        """
each(lambda: os.mkdir(host.box + '/directory'), lambda: os.symlink('nowhere', host.box + '/link'),
     lambda: os.mkfifo(host.box + '/pipe'))""",
        READ,
        single=ONLY_LANDLOCK,
    ),
    Attack(
        "remove, rename or empty a file",
        (5, 9),
        """
each(lambda: os.remove(host.spare), lambda: os.rename(host.inner, host.box + '/other'),
     lambda: os.truncate(host.writable, 0))""",
        READ,
        single=ONLY_LANDLOCK,
    ),
    Attack(
        "change the mode of a file",
        (5,),
        "each(lambda: os.chmod(host.public, 0o666), lambda: os.chmod(host.private, 0o644),\n"
        "     lambda: call('fchmodat', -100, host.public.encode(), 0o666))",
        (OWN_ROOT, FILTER, USER),
        single="Landlock knows no right to change a mode: without namespaces the filter stands alone for an "
        "ordinary user",
    ),
    Attack(
        "change the time of a file",
        (5,),
        "os.utime(host.public, (9, 9))",
        (OWN_ROOT, FILTER, USER),
        single="Landlock knows no right to change a time: without namespaces the filter stands alone for an "
        "ordinary user",
    ),
    Attack(
        "write to a library",
        (5,),
        "each(lambda: open(host.module, 'a').write('x'),\n"
        "     lambda: open(host.library + '/new.pth', 'w').close(),\n"
        "     lambda: os.remove(host.tool), lambda: os.truncate(host.module, 0),\n"
        "     lambda: os.open(host.module, os.O_RDONLY | os.O_TRUNC))",
        (READ_ONLY, FILES_BY_LANDLOCK),
        ground=LIBRARY,
        single=ONLY_LANDLOCK,
    ),
    Attack(
        "change the mode or time of a library",
        (5,),
        "file = os.open(host.tool, os.O_RDONLY)\n"
        "each(lambda: os.chmod(host.tool, 0o777), lambda: os.fchmod(file, 0o777),\n"
        "     lambda: os.utime(host.tool), lambda: os.utime(file))",
        (READ_ONLY, FILTER, USER),
        ground=LIBRARY,
        single="without namespaces the filter stands alone for an ordinary user",
    ),
    Attack(
        "put an attribute on a library",
        (5,),
        "os.setxattr(host.module, 'user.x', b'y')\nbreach()",
        (READ_ONLY, FILTER),
        ground=LIBRARY,
        single="without namespaces the filter stands alone where everybody may write to the file",
    ),
    Attack(
        "lock a library to signal a sibling",
        (10,),
        "import fcntl\nfile = open(host.module)\n"
        "each(lambda: breach(fcntl.flock(file, fcntl.LOCK_EX)),\n"
        "     lambda: breach(fcntl.lockf(file, fcntl.LOCK_SH)))",
        (FILTER,),
        ground=LIBRARY,
        single="a covert channel, of which there are others (timing, caches)",
    ),
    Attack(
        "fill the own directory with large files",
        (6,),
        """
with tempfile.TemporaryDirectory() as own:
    for number in range(6):
        with open(f'{own}/{number}', 'wb') as file: file.write(bytes(1 << 20))
    time.sleep(1.2)
    breach()""",
        (TMP_QUOTA, DIRECTORY_QUOTA),
        ground=PRIVATE_TMP,
        single=ONE_QUOTA,
        ends=frozenset({CellStatus.EXCEPTION, CellStatus.CRASHED}),
    ),
    Attack(
        "fill the own directory with many files",
        (7,),
        """
with tempfile.TemporaryDirectory() as own:
    for number in range(60): open(f'{own}/{number}', 'wb').close()
    time.sleep(1.2)
    breach()""",
        (TMP_QUOTA, DIRECTORY_QUOTA),
        ground=PRIVATE_TMP,
        single=ONE_QUOTA,
        ends=frozenset({CellStatus.EXCEPTION, CellStatus.CRASHED}),
    ),
    Attack(
        "hide a full directory among others that are renamed all the time",
        (6,),
        """
with tempfile.TemporaryDirectory() as own:
    for number in range(30): os.mkdir(f'{own}/a{number}')
    os.mkdir(own + '/full')
    for number in range(6):
        with open(f'{own}/full/{number}', 'wb') as file: file.write(bytes(1 << 20))
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        for here, there in (('a', 'b'), ('b', 'a')):
            for number in range(30): os.rename(f'{own}/{here}{number}', f'{own}/{there}{number}')
    breach()""",
        (TMP_QUOTA, DIRECTORY_QUOTA),
        ground=PRIVATE_TMP,
        single=ONE_QUOTA,
        ends=frozenset({CellStatus.EXCEPTION, CellStatus.CRASHED}),
    ),
    Attack(
        "fill the own directory with files that have no name",
        (6,),
        """
files = [tempfile.TemporaryFile(buffering=0) for _ in range(6)]
for file in files: file.write(bytes(1 << 20)) == 1 << 20 or 1 / 0
time.sleep(1.2)
breach()""",
        (TMP_QUOTA,),
        ground=PRIVATE_TMP,
        single=f"{ONE_QUOTA}, and does not see them: there RLIMIT_FSIZE times RLIMIT_NOFILE is the bound",
    ),
    Attack(
        "write one large file",
        (8,),
        """
with tempfile.TemporaryDirectory() as own:
    with open(own + '/large', 'wb', buffering=0) as file:
        for _ in range(4): file.write(bytes(1 << 20)) == 1 << 20 or 1 / 0
        time.sleep(1.2)
        breach()""",
        (wall(Layer.FILE_SIZE_LIMIT), TMP_QUOTA, DIRECTORY_QUOTA),
        ground=PRIVATE_TMP,
        ends=frozenset({CellStatus.EXCEPTION, CellStatus.CRASHED}),
    ),
    Attack(
        "make a huge file with nothing in it",
        (8,),
        "with tempfile.TemporaryFile() as file: breach(file.truncate(1 << 40))",
        (wall(Layer.FILE_SIZE_LIMIT),),
        single="a hole in a file costs nothing; where it is filled the quota counts",
    ),
    Attack(
        "read and change a sibling's files",
        (10,),
        "each(lambda: breach(open(host.sibling_file).read()),\n"
        "     lambda: open(host.sibling_file, 'w').write('x'))",
        (PRIVATE_TMP, wall(Layer.LANDLOCK_FILES, Layer.PRIVATE_DIRECTORY), USER_OF_ITS_OWN),
        single="with namespaces only a private /tmp separates siblings, who are one user; without them an "
        "ordinary user's siblings are one user too",
    ),
    Attack(
        "find a sibling's directory",
        (10,),
        "above = os.path.dirname(os.path.dirname(host.sibling_file))\n"
        "if above != '/': breach(os.listdir(above))",
        (wall(Layer.LANDLOCK_FILES, Layer.PRIVATE_DIRECTORY), USER_OF_ITS_OWN),
        single="an ordinary user's siblings are one user",
        untried=AS_FULL,
        because="where each has a /tmp of its own there is nothing to find",
    ),
    Attack(
        "make a device",
        (11,),
        "with tempfile.TemporaryDirectory() as own:\n"
        "    breach(os.mknod(own + '/null', 0o20666, os.makedev(1, 3)))",
        (FILTER, CAPABILITIES, FILES_BY_LANDLOCK, USER_OF_ITS_OWN),
        untried=AS_FULL | AS_ORDINARY,
        because="only root outside of every namespace may make devices",
    ),
    Attack(
        "change the root",
        (11,),
        "breach(os.chroot(host.box))",
        (FILTER, CAPABILITIES, USER_OF_ITS_OWN),
        untried=AS_ORDINARY_WITHOUT_NAMESPACES,
        because="only root may",
    ),
    Attack(
        "mount",
        (11,),
        """
call('unshare', 0x20000)
call('mount', b'none', b'/', None, 1 << 14 | 1 << 18, None)
breach(call('mount', b'none', host.box.encode(), b'tmpfs', 0, None))""",
        (FILTER, CAPABILITIES, USER_OF_ITS_OWN),
        untried=AS_ORDINARY_WITHOUT_NAMESPACES,
        because="only root may",
    ),
    Attack(
        "mount in a namespace of its own",
        (11,),
        """
call('unshare', 0x10020000)
call('mount', b'none', b'/', None, 1 << 14 | 1 << 18, None)
breach(call('mount', b'none', b'/tmp', b'tmpfs', 0, None))""",
        (FILTER,),
        single="everybody may make a user namespace where the machine allows it, and is root in it",
    ),
    Attack(
        "open a file by its handle",
        (11,),
        """
handle = ctypes.create_string_buffer(struct.pack('<Ii', 128, 0), 136)
mount = ctypes.c_int()
call('name_to_handle_at', -100, host.private.encode(), handle, ctypes.byref(mount), 0)
top = os.open('/', os.O_RDONLY | os.O_DIRECTORY)
breach(os.read(call('open_by_handle_at', top, handle, os.O_RDONLY), 9))""",
        (FILTER, CAPABILITIES, USER_OF_ITS_OWN),
        untried=AS_FULL | AS_ORDINARY,
        because="only root outside of every namespace may",
    ),
    Attack(
        "map a program from the own directory",
        (13,),
        """
import _ctypes, shutil
with tempfile.TemporaryDirectory() as own:
    shutil.copyfile(_ctypes.__file__, own + '/x.so')
    breach(ctypes.CDLL(own + '/x.so'))""",
        (PRIVATE_TMP,),
        single="a cell may make machine code in memory anyway; without namespaces it may map it too",
    ),
    Attack(
        "learn the host's name",
        (2,),
        "if os.uname().nodename == host.name: breach()",
        (wall(Layer.UTS_NAMESPACE),),
        single="no secret; without namespaces `uname` tells it",
    ),
)
