"""The control group around a sandbox: it bounds all sessions together, costs one of them, and leaves nothing.

Version 1 runs for real where the tests are root outside of a container. Version 2 with its memory controller
was not at hand: its places are looked for in a copy of the kernel's directories, and its files are those of
`Documentation/admin-guide/cgroup-v2.rst`.
"""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from other_users import DOCKER, run_as

from deepeyes_env.errors import ConfigError
from deepeyes_env.sandbox import (
    CellStatus,
    Level,
    LocalSandbox,
    LocalSandboxConfig,
    SandboxError,
    SandboxLimits,
    open_sandbox,
)
from deepeyes_env.sandbox.local import LocalSession, cgroup
from deepeyes_env.sandbox.local.cgroup import Place, Totals, Tree
from deepeyes_env.sandbox.local.levels import start_at
from deepeyes_env.sandbox.local.process import ZygoteProcess

PROJECT = Path(__file__).resolve().parents[3]
ROOMY = SandboxLimits(cell_seconds=60, memory_bytes=2 << 30)
BOTH = re.compile(r"memory \(cgroup v[12]\), pids \(cgroup v[12]\)")

HERE = cgroup.describe()

needs_group = pytest.mark.skipif(not BOTH.fullmatch(HERE), reason=f"no group can be made here: {HERE}")


class Bounded(LocalSandbox):
    """A sandbox in a group with these limits, whatever the machine's size."""

    def __init__(self, memory_mib: int, processes: int) -> None:
        super().__init__(ROOMY, ahead=0)
        self._bounds = Totals(memory_mib << 20, processes)
        self.starts = 0

    def _start_zygote(self) -> ZygoteProcess:
        self.starts += 1
        return start_at(self.limits, (), Level.FULL, self._bounds)

    @property
    def directories(self) -> tuple[Path, ...]:
        return self._running_pool().zygote.group.directories


@pytest.fixture
def bounded() -> Iterator[Callable[[int, int], Bounded]]:
    made: list[Bounded] = []

    def make(memory_mib: int = 8192, processes: int = 1000) -> Bounded:
        made.append(Bounded(memory_mib, processes))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.close()


GROW = """
import numpy
kept = []
for _ in range(60):
    kept.append(numpy.ones(1 << 20))  # 8 MiB
print(len(kept))
"""


def outcome(session: LocalSession, code: str) -> str:
    try:
        return session.run(code).stdout
    except SandboxError as error:
        return "memory ran out" if "memory ran out" in str(error) else str(error)


@needs_group
def test_the_session_that_exhausts_the_memory_of_all_dies_alone(bounded: Callable[..., Bounded]) -> None:
    sandbox = bounded(memory_mib=300)
    greedy, sibling = sandbox.open([]), sandbox.open([])
    sibling.run("kept = 'kept'")
    with pytest.raises(SandboxError, match=r"memory ran out .*memory_share.*memory_bytes"):
        greedy.run(GROW)  # it kept its own limit, so this is not the policy's fault
    assert sibling.run("print(kept)").stdout == "kept\n"
    assert sandbox.open([]).run("print(1)").stdout == "1\n"
    assert greedy.run("print(2)").stdout == "2\n"
    assert greedy.run("import os\nos._exit(1)").status is CellStatus.CRASHED  # and this is
    assert sandbox.starts == 1


@needs_group
def test_with_room_in_the_group_the_same_cell_ends_well(bounded: Callable[..., Bounded]) -> None:
    assert bounded(memory_mib=1000).open([]).run(GROW).stdout == "60\n"


@needs_group
def test_the_memory_is_that_of_all_sessions_together(bounded: Callable[..., Bounded]) -> None:
    sandbox = bounded(memory_mib=700)
    sessions = [sandbox.open([]) for _ in range(2)]
    assert sessions[0].run(GROW).status is CellStatus.OK
    outcomes = [outcome(sessions[1], GROW)]
    outcomes += [outcome(session, "print('kept' in globals())") for session in sessions]
    assert outcomes.count("True\n") == 1
    assert outcomes.count("memory ran out") == 1
    assert sandbox.starts == 1


@needs_group
def test_files_in_tmp_count_as_memory(bounded: Callable[..., Bounded]) -> None:
    sandbox = bounded(memory_mib=200)
    fill = "with open('/tmp/file', 'wb') as file:\n    for _ in range(60): file.write(bytes(1 << 20))"
    sessions = [sandbox.open([]) for _ in range(4)]
    fills = [outcome(session, fill) for session in sessions]
    # Which one died is open: the kernel does not count files for the size of a process.
    ends = [outcome(session, "import os\nprint(os.path.getsize('/tmp/file') >> 20)") for session in sessions]
    assert 1 <= ends.count("60\n") < 4
    assert "memory ran out" in fills + ends
    assert sandbox.starts == 1


@needs_group
def test_many_small_sessions_die_before_their_zygote(bounded: Callable[..., Bounded]) -> None:
    # Each of them is smaller than the zygote, with which all would die.
    sandbox = bounded(memory_mib=120)
    sessions = [sandbox.open([]) for _ in range(60)]
    alive = (sandbox.directories[0] / "cgroup.procs").read_text().split()
    assert 2 < len(alive) < 2 + len(sessions)
    # No cell had run in those that died, so others take their places; and some of these may die as early.
    ends = {outcome(session, "print(1)") for session in sessions}
    assert {end for end in ends if "set up" not in end} <= {"1\n", "memory ran out"}
    assert "1\n" in ends
    assert sandbox.starts == 1
    for session in sessions:  # while there is no room, a new one may be the next that the kernel ends
        session.close()
    assert sandbox.open([]).run("print(1)").stdout == "1\n"


@needs_group
def test_a_group_too_small_for_the_zygote_is_an_error_of_the_sandbox(bounded: Callable[..., Bounded]) -> None:
    with pytest.raises(SandboxError, match="died"):
        bounded(memory_mib=20).open([])


THREADS = """
import threading
stop = threading.Event()
threads = [threading.Thread(target=stop.wait) for _ in range(10)]
for thread in threads: thread.start()
print('started')"""


@needs_group
def test_processes_and_threads_of_all_sessions_are_bounded(bounded: Callable[..., Bounded]) -> None:
    sandbox = bounded(processes=20)  # launcher, zygote and three guests leave 15
    first, second, third = (sandbox.open([]) for _ in range(3))
    assert first.run(THREADS).stdout == "started\n"
    result = second.run(THREADS)
    assert result.status is CellStatus.EXCEPTION
    assert "can't start new thread" in result.stderr
    assert third.run("print(1)").stdout == "1\n"
    with pytest.raises(SandboxError, match="no new process"):
        _ = [sandbox.open([]) for _ in range(20)]
    first.close()
    assert second.run("stop.set()").status is CellStatus.OK
    assert sandbox.open([]).run("print(1)").stdout == "1\n"
    assert sandbox.starts == 1


@needs_group
def test_with_room_in_the_group_the_same_threads_start(bounded: Callable[..., Bounded]) -> None:
    sandbox = bounded(processes=40)
    assert [sandbox.open([]).run(THREADS).stdout for _ in range(3)] == ["started\n"] * 3


@needs_group
def test_the_group_holds_the_sandbox_and_not_the_host(bounded: Callable[..., Bounded]) -> None:
    sandbox = bounded()
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    sandbox.open([]).run("1")
    ours: set[int] = set()
    while len(ours) != 3:  # launcher, zygote, guest, and for a moment the one that tried the walls
        ours = {child.pid for child in psutil.Process().children(recursive=True)} - before
    for directory in sandbox.directories:
        assert {int(line) for line in (directory / "cgroup.procs").read_text().split()} == ours


@needs_group
def test_nothing_is_left_of_the_group(bounded: Callable[..., Bounded]) -> None:
    sandbox = bounded()
    for number in range(50):
        sandbox.open([], seed=number).close()
    first = sandbox.directories
    assert len(set(first)) == len(first) > 0
    (launcher,) = (
        child
        for child in psutil.Process().children()
        if str(child.pid) in (first[0] / "cgroup.procs").read_text().split()
    )
    zygotes = launcher.children()
    for zygote in zygotes:
        zygote.kill()
    psutil.wait_procs(zygotes, 10)
    sandbox.open([])
    second = sandbox.directories
    assert not any(directory.exists() for directory in first)
    assert all(directory.exists() for directory in second)
    sandbox.close()
    assert not any(directory.exists() for directory in second)


KILLED_HOST = """
import time
from deepeyes_env.sandbox import LocalSandbox
sandbox = LocalSandbox()
sandbox.open([])
print(*sandbox._pool.zygote.group.directories, flush=True)
time.sleep(60)
"""


@needs_group
def test_the_group_of_a_killed_host_goes_with_the_next_start(bounded: Callable[..., Bounded]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_HOST], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        left = [Path(name) for name in host.stdout.readline().split()]
        assert left
        # A host that starts takes nothing from one that lives.
        alive = bounded()
        alive.open([])
        assert all(directory.exists() for directory in left)
        processes = psutil.Process(host.pid).children(recursive=True)
        host.kill()
    psutil.wait_procs(processes, 10)
    bounded().open([])
    assert not any(directory.exists() for directory in left)
    assert all(directory.exists() for directory in alive.directories)


@needs_group
@pytest.mark.parametrize("moment", ["memory.limit_in_bytes", "memory.max", "pids.max", "cgroup.procs"])
def test_a_group_that_another_host_sweeps_while_it_is_made_is_made_again(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, swept = cgroup._write, []

    def sweep_and_write(file: Path, value: int) -> None:
        if file.name == moment and len(swept) < 3:
            file.parent.rmdir()
            swept.append(file.parent)
        write(file, value)

    monkeypatch.setattr(cgroup, "_write", sweep_and_write)
    with subprocess.Popen(["sleep", "60"]) as process:
        group = cgroup.enclose(process.pid, Totals(1 << 30, 100))
        members = [(directory / "cgroup.procs").read_text().split() for directory in group.directories]
        process.kill()
    group.close()
    assert BOTH.fullmatch(group.description)
    assert members == [[str(process.pid)]] * len(group.directories)
    assert not set(swept) & set(group.directories)
    assert len(swept) == 3 or moment.startswith("memory.")  # one of these is version 1's, one version 2's


TOTALS = """
from deepeyes_env.sandbox.local import cgroup
input()
print(cgroup.totals(0.5))
"""


@needs_group
def test_the_shares_are_of_the_surrounding_group_where_that_is_smaller() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TOTALS], cwd=PROJECT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        group = cgroup.enclose(process.pid, Totals(1 << 30, 100))
        answer, _ = process.communicate("\n")
    group.close()
    assert answer.strip() == repr(Totals(1 << 29, 50))


def test_the_shares_are_of_the_machine_by_default() -> None:
    bounds = cgroup.totals()
    assert 0 < bounds.memory_bytes <= 0.8 * psutil.virtual_memory().total
    assert 0 < bounds.processes <= int(Path("/proc/sys/kernel/pid_max").read_text()) / 2
    assert cgroup.totals(0.4).memory_bytes == pytest.approx(bounds.memory_bytes / 2, abs=1)


@needs_group
def test_the_share_is_a_setting() -> None:
    sandbox = open_sandbox(LocalSandboxConfig(memory_share=0.25))
    assert isinstance(sandbox, LocalSandbox)
    assert BOTH.fullmatch(sandbox.cgroup)
    assert sandbox._pool is not None
    (limit,) = (
        int(file.read_text())
        for directory in sandbox._pool.zygote.group.directories
        for file in (directory / "memory.limit_in_bytes", directory / "memory.max")
        if file.exists()
    )
    assert limit == pytest.approx(cgroup.totals(0.25).memory_bytes, abs=os.sysconf("SC_PAGE_SIZE"))
    sandbox.close()


def test_the_defaults_of_setting_and_sandbox_are_one() -> None:
    assert LocalSandboxConfig().memory_share == cgroup.MEMORY_SHARE


@pytest.mark.parametrize("share", [0.0, -1.0, 1.01, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=r"memory_share = .*: must be above 0 and at most 1"):
        LocalSandboxConfig(memory_share=share)


SHOW = """
from deepeyes_env.sandbox import LocalSandbox
sandbox = LocalSandbox()
print(sandbox.open([]).run("print(1)").status, sandbox.level, sandbox.cgroup)
sandbox.close()
"""


def test_an_ordinary_user_works_without_and_is_told_why() -> None:
    result = run_as("nobody", SHOW)
    assert result.stdout.startswith("ok full not memory and pids ("), result.stderr
    assert "mend: " in result.stdout


@needs_group
def test_the_level_without_namespaces_has_the_group_too() -> None:
    result = run_as("root", DOCKER + SHOW)
    status, level, description = result.stdout.strip().split(" ", 2)
    assert (status, level) == ("ok", "no-namespaces"), result.stderr
    assert BOTH.fullmatch(description)


class TestVersion1Places:
    def test_each_controller_has_a_tree(self) -> None:
        memberships = "9:name=systemd:/\n8:pids:/\n4:memory:/jobs/7\n2:cpu,cpuacct:/jobs\n0::/\n"
        mounts = """\
            31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
            44 23 0:41 / /a\\040name rw,relatime - tmpfs  rw
            32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory
            39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
            41 31 0:38 / /nowhere/unified rw,relatime - cgroup2 cgroup2 rw
        """
        found = cgroup.places(cgroup.trees(memberships, textwrap.dedent(mounts)))
        assert found == [
            Place(1, Path("/sys/fs/cgroup/memory/jobs/7"), frozenset({"memory"})),
            Place(1, Path("/sys/fs/cgroup/pids"), frozenset({"pids"})),
            Place(2, Path("/nowhere/unified"), frozenset()),
        ]

    def test_controllers_mounted_together_need_one_group(self) -> None:
        found = cgroup.trees("4:pids,memory:/a\n", "1 2 0:3 / /cg rw - cgroup cgroup rw,pids,memory\n")
        assert found == [Tree(1, Path("/cg"), Path("/cg/a"), frozenset({"memory", "pids"}))]

    @pytest.mark.parametrize(
        ("own", "mounted", "expected"),
        [
            ("/docker/4f", "/docker/4f", [Path("/cg")]),
            ("/docker/4f/inner", "/docker/4f", [Path("/cg/inner")]),
            ("/elsewhere", "/docker/4f", []),
            ("/../../elsewhere", "/", []),
        ],
    )
    def test_a_container_sees_a_part_of_the_tree(self, own: str, mounted: str, expected: list[Path]) -> None:
        mounts = f"1 2 0:3 {mounted} /cg rw - cgroup cgroup rw,memory\n"
        assert [tree.own for tree in cgroup.trees(f"4:memory:{own}\n", mounts)] == expected


class TestVersion2Places:
    """The tree of a machine with systemd: a terminal of a user, whose manager has a part of the tree."""

    OWN = "user.slice/user-1000.slice/user@1000.service/app.slice/terminal.scope"

    def places(self, root: Path, own: str = OWN) -> list[Place]:
        mounts = f"30 23 0:26 / {root} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
        return [place for place in cgroup.places(cgroup.trees(f"0::/{own}\n", mounts)) if place.controllers]

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        own = tmp_path / self.OWN
        own.mkdir(parents=True)
        for directory in (own, *own.parents[: len(Path(self.OWN).parts)]):
            (directory / "cgroup.subtree_control").write_text("cpu memory pids\n")
            if directory != tmp_path:
                (directory / "memory.max").write_text("max\n")
                (directory / "pids.max").write_text("4915\n")
        (own / "cgroup.subtree_control").write_text("\n")
        return tmp_path

    def test_beside_the_own_group_which_holds_processes(self, root: Path) -> None:
        app = (root / self.OWN).parent
        assert self.places(root) == [Place(2, app, frozenset({"memory", "pids"}))]

    def test_only_with_what_the_parent_hands_out(self, root: Path) -> None:
        (root / self.OWN).with_name("cgroup.subtree_control").write_text("pids\n")
        assert [place.controllers for place in self.places(root)] == [{"pids"}]
        (root / self.OWN).with_name("cgroup.subtree_control").write_text("\n")
        assert self.places(root) == []

    def test_never_out_of_a_group_with_a_memory_limit(self, root: Path) -> None:
        (root / self.OWN / "memory.max").write_text("8589934592\n")
        assert self.places(root) == []

    def test_below_the_outermost_group(self, root: Path) -> None:
        assert self.places(root, "") == [Place(2, root, frozenset({"memory", "pids"}))]

    def test_not_above_what_a_container_sees(self, tmp_path: Path) -> None:
        inside = tmp_path / "container"
        inside.mkdir()
        (tmp_path / "cgroup.subtree_control").write_text("memory pids\n")
        (inside / "cgroup.subtree_control").write_text("\n")
        assert self.places(inside, "") == []

    def test_limits_of_all_groups_around_count(self, root: Path) -> None:
        own = root / self.OWN
        own.parents[1].joinpath("memory.max").write_text("1000\n")
        own.parents[2].joinpath("memory.max").write_text("2000\n")
        tree = Tree(2, root, own, frozenset())
        assert tree.limits("memory") == [1000, 2000]
        assert tree.limits("pids") == [4915] * 5

    def test_its_files_get_the_limits_before_the_process(self, tmp_path: Path) -> None:
        written: list[tuple[str, str]] = []
        for name in ("memory.max", "memory.swap.max", "pids.max", "cgroup.procs"):
            os.mkfifo(tmp_path / name)
        readers = [os.open(tmp_path / name, os.O_RDONLY | os.O_NONBLOCK) for name in os.listdir(tmp_path)]
        cgroup._fill(tmp_path, 2, ["memory", "pids"], Totals(1000, 50), 77)
        for name, reader in zip(os.listdir(tmp_path), readers, strict=True):
            written.append((name, os.read(reader, 100).decode()))
            os.close(reader)
        assert dict(written) == {
            "memory.max": "1000",
            "memory.swap.max": "0",
            "pids.max": "50",
            "cgroup.procs": "77",
        }
