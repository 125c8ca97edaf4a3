"""`deepeyes sandbox check` says what stands, and takes no attack that gets through for one that held."""

import json
import re
import socket
import sys
from collections.abc import Set

import pytest
from other_users import DOCKER, NO_LANDLOCK, UBUNTU, run_as
from rich.console import Console

from deepeyes_env.errors import ConfigError
from deepeyes_env.sandbox import CellResult, CellStatus, LocalSandbox
from deepeyes_env.sandbox.check_command import CheckArgs, check
from deepeyes_env.sandbox.check_report import Report
from deepeyes_env.sandbox.command import main
from deepeyes_env.sandbox.local import Level
from deepeyes_env.sandbox.local.attack import LIMITS, Attempt, attack
from deepeyes_env.sandbox.local.bait import bait
from deepeyes_env.sandbox.local.findings import State, landlock_gaps
from deepeyes_env.sandbox.local.guest.layers import LAYERS, Layer
from deepeyes_env.sandbox.local.machine import Machine
from deepeyes_env.sandbox.local.probes import PROBES, Probe, error_line
from deepeyes_env.sandbox.local.weakened import weakened

MACHINE = Machine(kernel="6.1", processor="x86_64", python="3.11.7", user=0, landlock=7, cgroup="memory")
RUN = "from deepeyes_env.sandbox.command import main\nprint('status', main(['check', {arguments}]))"


def checked(user: str, refuse: str, *arguments: str) -> tuple[str, int]:
    """Output and status of the command, as another user and where calls are refused."""
    listed = ", ".join(map(repr, arguments))
    result = run_as(user, refuse + RUN.format(arguments=listed))
    assert "Traceback" not in result.stderr, result.stderr
    output, _, status = result.stdout.rpartition("status ")
    return output, int(status)


def test_here_every_layer_of_the_level_stands_and_every_attack_is_stopped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["check", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [attempt for attempt in found["attempts"] if not attempt["held"]] == []
    assert (status, found["ok"], found["error"]) == (0, True, "")
    level = Level(found["level"])
    assert found["levels"][level]["available"]
    states = {Layer(name): finding["state"] for name, finding in found["levels"][level]["layers"].items()}
    assert {layer for layer, state in states.items() if state != State.NOT_PART} == LAYERS[level]
    assert {states[layer] for layer in LAYERS[level]} <= {State.AVAILABLE, State.NOT_NEEDED, State.MISSING}
    if level is Level.FULL:
        assert State.MISSING not in states.values()
    assert len(found["attempts"]) == len(PROBES) + 3


def attempts_without(level: Level, without: Set[Layer]) -> dict[str, Attempt]:
    with bait() as laid:
        sandbox = weakened(LIMITS, level=level, without=without)
        try:
            return {attempt.name: attempt for attempt in attack(sandbox, laid)}
        finally:
            sandbox.close()


def test_without_any_layer_each_attack_on_one_gets_through_and_harms_nobody() -> None:
    attempts = attempts_without(Level.NO_NAMESPACES, LAYERS[Level.NO_NAMESPACES])
    for probe in PROBES:
        assert attempts[probe.name].held is (probe.error is None), attempts[probe.name]
    touched = attempts["the host's things"]
    assert not touched.held
    assert touched.how == "new file new, the file was changed, somebody connected"
    assert attempts["a sibling session"].held
    assert attempts["a new session"].held


@pytest.fixture(scope="module")
def without_seccomp() -> tuple[str, int]:
    def choose(args: CheckArgs) -> LocalSandbox:
        return weakened(LIMITS, level=Level(args.level or "full"), without={Layer.SECCOMP})

    console = Console(width=80, highlight=False, markup=False)
    with console.capture() as capture:
        status = check(CheckArgs(), console, choose)
    return capture.get(), status


def test_an_attack_that_gets_through_is_named_and_makes_the_status_1(
    without_seccomp: tuple[str, int],
) -> None:
    output, status = without_seccomp
    assert status == 1, output
    verdict = " ".join(output.split("\n\n")[-1].split())
    assert "GOT THROUGH at the level 'full'" in verdict
    assert "processes: fork" in verdict
    assert "network: a UDP socket" in verdict
    assert "syscalls: a dozen dangerous ones" in verdict
    assert "files: " not in verdict  # these are not seccomp's
    assert ["processes", "fork", "OPEN"] in [line.split()[:3] for line in output.splitlines()]


def test_it_can_be_read_in_80_columns_and_without_colours(without_seccomp: tuple[str, int]) -> None:
    output, _ = without_seccomp
    assert max(map(len, output.splitlines())) <= 80
    assert "\x1b" not in output
    for layer in Layer:
        assert f"  {layer} " in output


def test_in_docker_an_ordinary_user_gets_the_lower_level_and_the_reason() -> None:
    output, status = checked("nobody", DOCKER)
    assert status == 0, output
    assert "This machine gives the level 'no-namespaces'" in output
    assert "held at the level 'no-namespaces'" in output
    text = " ".join(output.split())
    assert "full misses 'user namespace': [Errno 1] unshare: Operation not permitted. Mend: allow" in text
    assert "user 65534" in text
    rows = {
        name: states for name, *states in (re.split(r"\s{2,}", line.strip()) for line in output.splitlines())
    }
    assert rows["mount namespace"] == ["unknown", "–"]
    assert rows["seccomp"] == ["available", "available"]
    assert rows["RLIMIT_NPROC"] == ["unknown", "missing"]
    assert rows["unprivileged user id"] == ["not needed", "not needed"]


def test_below_the_demanded_level_nothing_is_attacked_and_the_status_is_1() -> None:
    output, status = checked("root", DOCKER, "--min-level", "full")
    assert status == 1, output
    assert "No sandbox here with min_level = 'full'" in output
    assert "what was tried" not in output


def test_a_level_that_is_asked_for_does_not_fall_back() -> None:
    output, status = checked("nobody", DOCKER, "--level", "full")
    assert status == 1, output
    assert "No sandbox here at the level 'full'" in output
    output, status = checked("nobody", "", "--level", "no-namespaces")
    assert status == 0, output
    assert "Attacked at the level 'no-namespaces', as asked." in output


def test_each_namespace_is_tried_alone_where_one_is_refused() -> None:
    output, status = checked("nobody", UBUNTU, "--json")
    full = json.loads(output)["levels"]["full"]
    assert status == 0, output
    assert not full["available"]
    states = {name: finding["state"] for name, finding in full["layers"].items()}
    assert states["user namespace"] == states["PID namespace"] == states["network namespace"] == "available"
    assert states["mount namespace"] == "missing"
    assert states["own root"] == "unknown"
    assert "sysctl" in full["layers"]["mount namespace"]["mend"]


def test_without_landlock_the_namespaces_hold_every_attack_and_the_gap_is_named() -> None:
    output, status = checked("nobody", NO_LANDLOCK)
    text = " ".join(output.split())
    assert status == 0, output
    assert "held at the level 'full'" in text
    assert "full misses 'Landlock: files': Landlock is missing or switched off here" in text
    assert "no-namespaces misses 'Landlock: files'" in text


def test_where_landlock_is_refused_there_is_no_level_and_no_traceback() -> None:
    output, status = checked("nobody", "refuse(['landlock_create_ruleset'])\n")
    text = " ".join(output.split())
    assert status == 1, output
    assert "no Landlock" in text
    assert "full misses 'Landlock: files'" in text
    assert "no-namespaces misses 'Landlock: files'" in text
    assert "No sandbox here" in text
    output, status = checked("nobody", "refuse(['landlock_create_ruleset'])\n", "--json")
    assert (status, json.loads(output)["ok"], json.loads(output)["level"]) == (1, False, None)


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        (None, {Layer.LANDLOCK_FILES, Layer.LANDLOCK_TCP, Layer.LANDLOCK_SCOPE}),
        (3, {Layer.LANDLOCK_TCP, Layer.LANDLOCK_SCOPE}),
        (5, {Layer.LANDLOCK_SCOPE}),
        (6, set()),
    ],
)
def test_what_an_older_landlock_lacks_is_said(version: int | None, missing: set[Layer]) -> None:
    gaps = landlock_gaps(version)
    assert set(gaps) == missing
    assert all(gap.state is State.MISSING and "this needs" in gap.cause and gap.mend for gap in gaps.values())


@pytest.mark.parametrize(
    ("result", "held"),
    [
        (CellResult(CellStatus.EXCEPTION, stderr="Traceback:\n  line\nPermissionError: x\n[a hint]"), True),
        (CellResult(CellStatus.EXCEPTION, stderr="NameError: a slip in the cell"), False),
        (CellResult(CellStatus.EXCEPTION, stderr="NameError: PermissionError"), False),
        (CellResult(CellStatus.OK, stderr="PermissionError: x"), False),
        (CellResult(CellStatus.CRASHED), False),
        (CellResult(CellStatus.TIMEOUT), False),
        (CellResult(CellStatus.EXCEPTION, stdout="x" * 5_000, stderr="PermissionError: x"), False),
    ],
)
def test_only_the_expected_end_counts_as_held(result: CellResult, held: bool) -> None:
    probe = Probe("files", "a probe", "code", "PermissionError")
    assert probe.held(result, output_chars=1_000) is held


def test_the_error_of_a_reopened_session_is_found() -> None:
    assert error_line("[new process: gone]\nTraceback:\n  x\nOSError: y\n[hint]") == "OSError: y"
    assert error_line("[the process died]") == "the process died"
    assert error_line("") == ""


def test_the_bait_shows_each_visit() -> None:
    with bait() as laid:
        assert laid.touched() == []
        # Nothing but the sandbox keeps anybody away from it.
        assert [path.stat().st_mode & 0o777 for path in (laid.folder, laid.file)] == [0o777, 0o666]
        (laid.folder / "new").touch()
        laid.file.write_text("taken")
        socket.create_connection(laid.tcp.getsockname()).close()
        assert laid.touched() == ["new file new", "the file was changed", "somebody connected"]
    assert not laid.folder.exists()


@pytest.mark.parametrize(
    ("level", "error", "held", "ok"),
    [
        (Level.FULL, "", True, True),
        (Level.FULL, "", False, False),
        (Level.FULL, "the zygote died", True, False),
        (Level.NO_NAMESPACES, "", True, False),
        (None, "no Landlock", True, False),
    ],
)
def test_the_report_is_good_only_if_all_is(level: Level | None, error: str, held: bool, ok: bool) -> None:
    attempt = Attempt("files", "read", held, "how", 0.0)
    report = Report(MACHINE, (), Level.FULL, None, level, error, (attempt,))
    assert report.ok is ok
    assert report.verdict
    assert report.verdict[0].startswith("All 1 held") is ok


def test_names_of_parts_and_options_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert "  check " in capsys.readouterr().out
    assert main(["chek"]) == 2
    assert "unknown part 'chek': did you mean 'check'?" in capsys.readouterr().err
    for arguments in (["--min-levl", "full"], ["--level", "half"]):
        with pytest.raises(SystemExit) as stopped:
            main(["check", *arguments])
        assert stopped.value.code == 2
    with pytest.raises(ConfigError, match="'nmpy': must be one of"):
        main(["check", "--extras", "nmpy"])


@pytest.mark.parametrize("part", ["check", "top"])
def test_other_systems_are_told_what_to_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main([part]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"deepeyes sandbox {part}: the local sandbox needs Linux")
    assert "Mend: use a Linux virtual machine" in error
