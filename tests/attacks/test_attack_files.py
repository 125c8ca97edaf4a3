"""A cell reads its libraries and its own /tmp, and writes below /tmp only."""

import os
import sys
from pathlib import Path

import numpy
import pytest

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local import LocalSession, tree

PROJECT = Path(__file__).resolve().parents[2]
SITE = Path(numpy.__file__).parents[1]
GUEST_SITE = tree.site_directories(tree.closure(["numpy"]))[str(SITE)]
SECRETS = [
    "/etc/shadow",
    "/etc/hostname",
    "/proc/self/environ",
    "/proc/1/environ",
    "/proc/self/mem",
    "/sys",
    "/boot",
]


@pytest.mark.parametrize(
    "path",
    [
        *SECRETS,
        str(PROJECT),
        __file__,
        str(PROJECT / "deepeyes_env" / "sandbox" / "local" / "guest" / "worker.py"),
        str(Path.home() / ".bashrc"),
        str(SITE / "gymnasium"),
        str(SITE / "deepeyes_env"),
        f"{GUEST_SITE}/gymnasium",
        f"{GUEST_SITE}/deepeyes_env",
        sys.executable,
    ],
)
def test_host_files_do_not_exist(attacker: LocalSession, path: str) -> None:
    code = f"import os\nprint(os.path.exists({path!r}))\nopen({path!r}, 'rb').read()"
    result = attacker.run(code)
    assert result.stdout == "False\n"
    assert "FileNotFoundError" in result.stderr or "PermissionError" in result.stderr


def test_the_host_has_the_files_that_the_guest_shall_not_see() -> None:
    # The control: what the attack above looks for is really there.
    assert os.path.exists("/etc/hostname")
    assert os.path.exists("/proc/self/environ")
    assert (PROJECT / "deepeyes_env").is_dir()
    assert (SITE / "gymnasium").is_dir()


def test_homes_and_parents_hold_nothing_but_the_way_to_the_libraries(attacker: LocalSession) -> None:
    code = f"""
import os
for top in {(str(Path.home()), str(PROJECT.parent), "/")!r}:
    for folder, folders, files in os.walk(top):
        known = ("/usr", "/lib", "/dev", "/etc", "/tmp", {GUEST_SITE!r})
        if folder.startswith(known) or "python3." in folder:
            folders.clear()
        elif files: print(folder, files)"""
    result = attacker.run(code)
    assert result.ok, result.stderr
    listed = [line.split(" ", 1)[0] for line in result.stdout.splitlines()]
    allowed = sys.base_prefix
    assert all(folder.startswith(allowed) for folder in listed), result.stdout


@pytest.mark.parametrize(
    "path",
    [
        "/new",
        "/etc/passwd",
        "/usr/lib/new",
        "/dev/new",
        f"{GUEST_SITE}/new.pth",
        f"{GUEST_SITE}/numpy/__init__.py",
        f"{os.path.dirname(os.__file__)}/os.py",
    ],
)
def test_nothing_is_written_outside_tmp(attacker: LocalSession, path: str) -> None:
    result = attacker.run(f"open({path!r}, 'a').write('x')")
    assert result.status is CellStatus.EXCEPTION
    assert "Permission" in result.stderr or "Read-only" in result.stderr


@pytest.mark.parametrize(
    "call",
    [
        "os.mkdir('/new')",
        "os.remove('/etc/passwd')",
        "os.rename('/etc/passwd', '/tmp/passwd')",
        "os.chmod('/etc/passwd', 0o777)",
        "os.mknod('/tmp/device', 0o60666, os.makedev(8, 0))",
        "os.mkfifo('/tmp/pipe')",
        "os.chroot('/tmp')",
        "os.open('/dev/mem', os.O_RDWR)",
        "os.memfd_create('x')",
        "os.truncate(os.__file__, 0)",
        "os.setxattr('/tmp', 'user.x', b'y')",
    ],
)
def test_no_other_way_to_change_files(attacker: LocalSession, call: str) -> None:
    result = attacker.run(f"import os\n{call}")
    assert "Error: [Errno" in result.stderr


def test_links_out_of_tmp_lead_nowhere(attacker: LocalSession) -> None:
    code = """
import os
os.symlink('/etc/shadow', '/tmp/out.png')
print(os.path.exists('/tmp/out.png'))
os.symlink('../../../../../../proc/1/root', '/tmp/up')
print(os.path.exists('/tmp/up'))
os.link('/etc/passwd', '/tmp/hard')"""
    result = attacker.run(code)
    assert result.stdout == "False\nFalse\n"
    assert "Error: [Errno" in result.stderr


def test_tmp_is_private(attacker: LocalSession) -> None:
    assert (
        attacker.run("import os\nprint(os.listdir('/tmp'), os.listdir('/var') if 0 else '')").stdout
        == "[] \n"
    )


def test_programs_written_to_tmp_cannot_be_mapped(attacker: LocalSession) -> None:
    code = """
import ctypes, _ctypes, shutil
ctypes.CDLL(_ctypes.__file__)
shutil.copyfile(_ctypes.__file__, '/tmp/x.so')
ctypes.CDLL('/tmp/x.so')"""
    assert "failed to map segment" in attacker.run(code).stderr


def test_the_environment_holds_nothing_of_the_host(attacker: LocalSession) -> None:
    result = attacker.run("import os\nprint(dict(os.environ))")
    assert "a-secret-of-the-host" not in result.stdout
    assert "PATH" not in result.stdout
    assert str(PROJECT) not in result.stdout


def test_library_files_cannot_be_locked_to_signal_a_sibling(attacker: LocalSession) -> None:
    for call in ("flock(file, fcntl.LOCK_EX)", "lockf(file, fcntl.LOCK_SH)"):
        result = attacker.run(f"import fcntl, os\nfile = open(os.__file__)\nfcntl.{call}")
        assert "PermissionError" in result.stderr


def test_the_name_of_the_host_is_not_told(attacker: LocalSession) -> None:
    assert attacker.run("import os\nprint(os.uname().nodename)").stdout == "sandbox\n"


def test_descriptors_are_the_null_device_and_the_own_socket(attacker: LocalSession) -> None:
    code = """
import os
found = []
for number in range(64):
    try: found.append((number, oct(os.fstat(number).st_mode)[:-3]))
    except OSError: pass
print(found)
print([os.fstat(n).st_rdev == os.stat('/dev/null').st_rdev for n in range(3)])"""
    result = attacker.run(code)
    assert result.stdout == "[(0, '0o20'), (1, '0o20'), (2, '0o20'), (3, '0o140')]\n[True, True, True]\n"


def test_the_guest_is_nobody_without_rights(attacker: LocalSession) -> None:
    code = """
import ctypes, os
print(os.getuid(), os.getgid(), os.getgroups(), os.getpid(), os.getppid())
header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(125, header, sets), ctypes.get_errno())
for call in (lambda: os.setuid(0), lambda: os.nice(-5), lambda: os.sched_setaffinity(0, {0})):
    try: call(); print('done')
    except OSError as error: print(error.errno)"""
    result = attacker.run(code)
    assert result.stdout == "65534 65534 [] 1 0\n-1 1\n1\n1\n1\n"
