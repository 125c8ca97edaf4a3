"""Where namespaces are refused the next level takes over with a warning, and holds; never silently."""

import subprocess
import sys
import warnings
from typing import get_args

import pytest
from other_users import DOCKER, NO_LANDLOCK, UBUNTU, run_as

from deepeyes_env.sandbox import (
    LocalSandbox,
    SandboxLevelWarning,
    SandboxLimits,
    SandboxUnavailableError,
    open_sandbox,
)
from deepeyes_env.sandbox.config import LevelName, LocalSandboxConfig
from deepeyes_env.sandbox.local.guest import landlock
from deepeyes_env.sandbox.local.guest.layers import Layer, Level
from deepeyes_env.sandbox.local.levels import gaps, start

SHOW = """
import glob, os, tempfile, warnings
from PIL import Image
from deepeyes_env.sandbox import Level, LocalSandbox, SandboxError, SandboxLimits
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sandbox = LocalSandbox(SandboxLimits(cell_seconds=20, memory_bytes=256 << 20))
    session = sandbox.open([Image.new("RGB", (5, 4), "red")])
print(sandbox.level, *(f"{warning.category.__name__} {warning.message}" for warning in caught))
def show(code):
    result = session.run(code)
    print(result.status, result.stdout.strip().replace("\\n", " "), [image.size for image in result.images])
show("import os\\nx = image_1.size\\nopen('kept', 'w').write('kept')\\nimage_1")
here = session.run("print(os.getcwd())").stdout.strip()
show("import tempfile, wave, sqlite3, PIL.ImageChops\\nhere = os.getcwd()\\n"
     "print(x, open('kept').read(), tempfile.gettempdir() == here == os.environ['HOME'])")
for attack in ("open('/etc/hostname')", "open('/proc/1/environ')", "os.listdir('/tmp')", "os.listdir('..')",
               "open('../new', 'w')", "open('/tmp/new', 'w')", "os.fork()", "os.kill(os.getppid(), 0)",
               "os.kill(0, 9)", "os.execv('/bin/sh', ['sh'])", "import socket\\nsocket.socket()",
               f"open({__file__!r})" if "__file__" in globals() else "open('/etc/passwd')", "bytes(1 << 30)"):
    assert session.run(attack).status == "exception", attack
sibling = sandbox.open([])
show(f"os.listdir({sibling.run('import os; print(os.getcwd())').stdout.strip()!r})")
assert sibling.run("os._exit(1)").status == "crashed"
show("print(x)")
sandbox.close()
mine = [path for path in glob.glob(tempfile.gettempdir() + "/deepeyes-sandbox-*") if os.access(path, os.W_OK)]
print("left", [path for path in mine if here.startswith(path)])
"""


@pytest.mark.parametrize("user", ["root", "docker's root", "nobody"])
@pytest.mark.parametrize(("refuse", "layer"), [(DOCKER, "namespace"), (UBUNTU, "mount")])
def test_where_namespaces_are_refused_the_next_level_takes_over_and_holds(
    user: str, refuse: str, layer: str
) -> None:
    result = run_as(user, refuse + SHOW)
    first, *rest = result.stdout.splitlines() or [""]
    assert first.startswith("no-namespaces SandboxLevelWarning the sandbox runs at"), result.stderr
    assert first.count("SandboxLevelWarning") == 1
    assert "the layer '" in first
    assert layer in first
    assert "Mend: " in first
    assert rest == ["ok  [(5, 4)]", "ok (5, 4) kept True []", "exception  []", "ok (5, 4) []", "left []"], (
        result.stderr
    )


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_below_the_demanded_level_the_error_names_the_layer_and_the_mend(user: str) -> None:
    script = """
from deepeyes_env.sandbox import Level, LocalSandbox, SandboxUnavailableError
try:
    LocalSandbox(min_level=Level.FULL).open([])
except SandboxUnavailableError as error:
    print(error)
"""
    result = run_as(user, DOCKER + script)
    assert "namespace' is refused ([Errno 1] unshare: Operation not permitted). Mend: " in result.stdout
    assert "min_level = 'no-namespaces'" in result.stdout
    assert "Warning" not in result.stderr


OPEN = """
from deepeyes_env.sandbox import LocalSandbox, SandboxUnavailableError
try:
    LocalSandbox().open([])
except SandboxUnavailableError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("refuse", "named"),
    [
        ("refuse(['landlock_create_ruleset'])\n", ["Landlock", "lsm="]),
        ("refuse(['seccomp'])\n", ["seccomp", "CONFIG_SECCOMP_FILTER"]),
        (DOCKER + "refuse(['landlock_create_ruleset'])\n", ["namespace", "Landlock", "at any level", "lsm="]),
        (DOCKER + "refuse(['seccomp'])\n", ["namespace", "seccomp", "at any level"]),
        (DOCKER + NO_LANDLOCK, ["namespace", "Landlock: files", "missing or switched off", "at any level"]),
    ],
)
def test_without_landlock_or_seccomp_there_is_no_level(refuse: str, named: list[str]) -> None:
    # The filter that refuses `seccomp` is put in place by `seccomp`, so that one call still passes.
    result = run_as("nobody", refuse + OPEN)
    assert "cannot isolate code here" in result.stdout, result.stderr
    assert all(word in result.stdout for word in named), result.stdout


WITHOUT_LANDLOCK = """
import warnings, psutil
from deepeyes_env.sandbox import Level, LocalSandbox
from deepeyes_env.sandbox.local.probes import error_line
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sandbox = LocalSandbox(min_level=Level.FULL)
    session = sandbox.open([])
    for attack in ("open('/etc/hostname')", "open('/usr/new', 'w')", "os.fork()", "os.kill(0, 9)"):
        print(error_line(session.run("import os\\n" + attack).stderr).partition(":")[0])
    psutil.Process().children()[0].children()[0].kill()
    while sandbox._pool.zygote.alive: pass
    print(sandbox.open([]).run("print(1)").stdout.strip(), sandbox.level)
print(*(f"{warning.category.__name__} {warning.message}" for warning in caught))
"""


def test_with_namespaces_a_kernel_without_landlock_is_told_once_and_the_other_walls_hold() -> None:
    result = run_as("nobody", NO_LANDLOCK + WITHOUT_LANDLOCK)
    *attacks, again, told = result.stdout.splitlines() or [""]
    assert attacks == ["FileNotFoundError", "OSError", "PermissionError", "PermissionError"], result.stderr
    assert again == "1 full"
    assert told.count("SandboxLevelWarning") == 1, told
    assert "at the level 'full' without 'Landlock: files'" in told
    assert "Landlock is missing or switched off here" in told
    assert "`lsm=`" in told


@pytest.mark.parametrize(
    ("version", "level", "missing"),
    [
        (0, Level.FULL, {Layer.LANDLOCK_FILES, Layer.LANDLOCK_TCP, Layer.LANDLOCK_SCOPE}),
        (0, Level.NO_NAMESPACES, {Layer.LANDLOCK_TCP, Layer.LANDLOCK_SCOPE}),
        (3, Level.NO_NAMESPACES, {Layer.LANDLOCK_TCP, Layer.LANDLOCK_SCOPE}),
        (4, Level.FULL, {Layer.LANDLOCK_SCOPE}),
        (7, Level.FULL, set()),
    ],
)
def test_what_landlock_lacks_is_left_out_but_never_the_last_wall_around_files(
    monkeypatch: pytest.MonkeyPatch, version: int, level: Level, missing: set[Layer]
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: version)
    assert set(gaps(level)) == missing


def test_where_landlock_is_refused_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise PermissionError

    monkeypatch.setattr(landlock, "version", refused)
    assert gaps(Level.FULL) == {}


def test_parts_that_an_older_landlock_lacks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 3)
    sandbox = LocalSandbox(ahead=0)
    with pytest.warns(SandboxLevelWarning) as caught:
        assert sandbox.open([]).run("1").ok
    (told,) = [str(warning.message) for warning in caught if "Landlock has version 3" in str(warning.message)]
    assert "'Landlock: TCP'" in told
    assert "6.7" in told
    assert "'Landlock: signals and abstract sockets'" in told
    assert "6.12" in told
    sandbox.close()


def test_who_makes_the_warning_an_error_gets_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    class Zygote:
        level, closed = Level.FULL, False

        def close(self) -> None:
            self.closed = True

    zygote = Zygote()
    monkeypatch.setattr(landlock, "version", lambda: 5)
    monkeypatch.setattr("deepeyes_env.sandbox.local.levels.start_at", lambda *_: zygote)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SandboxLevelWarning)
        with pytest.raises(SandboxLevelWarning, match="Landlock"):
            start(SandboxLimits(), (), Level.FULL)
    assert zygote.closed


def test_a_restart_stays_at_its_level_and_does_not_warn_again() -> None:
    script = """
import warnings, psutil
from deepeyes_env.sandbox import LocalSandbox
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sandbox = LocalSandbox()
    sandbox.open([])
    psutil.Process().children()[0].children()[0].kill()
    while sandbox._pool.zygote.alive: pass
    print(sandbox.open([]).run("print(1)").stdout.strip(), sandbox.level, len(caught))
"""
    assert run_as("nobody", DOCKER + script).stdout == "1 no-namespaces 1\n"


def test_as_root_an_interpreter_that_only_root_can_reach_is_named() -> None:
    script = """
import os, sys, tempfile
from deepeyes_env.sandbox.local import tree
hidden = tempfile.mkdtemp()
tree._SYSTEM += (hidden + "/library",)
os.mkdir(hidden + "/library")
try:
    exec(OPEN)
finally:
    os.rmdir(hidden + "/library")
    os.rmdir(hidden)
"""
    result = run_as("root", DOCKER + f"OPEN = {OPEN!r}\n" + script)
    assert "'unprivileged user id' is refused" in result.stdout, result.stderr
    assert "/library" in result.stdout
    assert "chmod o+x" in result.stdout


def test_other_systems_are_told_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxUnavailableError, match=r"this is darwin\. Mend: use a Linux virtual machine"):
        LocalSandbox()


AS_MACOS = """
import os, signal, socket, sys
import deepeyes_env.env  # with what others need of Linux once they are on it
for name in [name for name in sys.modules if name.startswith("deepeyes_env")]:
    del sys.modules[name]
sys.platform = "darwin"
for module, names in ((os, "sched_getaffinity pidfd_open memfd_create O_PATH MFD_CLOEXEC setresuid"),
                      (signal, "pidfd_send_signal"), (socket, "MSG_NOSIGNAL SOCK_SEQPACKET")):
    for name in names.split():
        delattr(module, name)
import deepeyes_env.sandbox, deepeyes_env.env, deepeyes_env.vector
try:
    deepeyes_env.sandbox.LocalSandbox()
except deepeyes_env.sandbox.SandboxUnavailableError as error:
    print(error)
"""


def test_what_linux_alone_has_is_not_needed_to_be_told_so() -> None:
    told = subprocess.run([sys.executable, "-c", AS_MACOS], capture_output=True, text=True, check=False)
    assert "this is darwin. Mend: " in told.stdout, told.stderr


def test_other_processors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SandboxUnavailableError, match="riscv64"):
        LocalSandbox()


def test_the_configuration_knows_the_levels() -> None:
    assert get_args(LevelName) == tuple(level.value for level in Level)
    sandbox = open_sandbox(LocalSandboxConfig(min_level="full"))
    assert isinstance(sandbox, LocalSandbox)
    assert sandbox._min_level is Level.FULL
    sandbox.close()
