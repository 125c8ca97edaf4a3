"""Whatever is done to sessions in whatever order, each behaves as if it were alone, and nothing is left.

The machine drives the real local sandbox and a model of it: a session is its variables, files and images.
"""

import ast
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from PIL import Image

from deepeyes_env.images import freeze
from deepeyes_env.sandbox import CellResult, CellStatus, LocalSandbox, SandboxError, SandboxLimits
from deepeyes_env.sandbox.local import LocalSession, deadline

GROWTH = 32 << 20
"""Bytes by which a zygote may grow; a leak of one session's picture or libraries would pass it in one run."""
AHEAD = 2
"""Fewer than the sessions, so that both those that find a process and those that do not are met."""
TIMEOUT = "TimeOutError: code execution timed out"
LOOK = """
import glob, tempfile
print({name: value for name, value in globals().items() if name.startswith('v_')})
print({path[-1]: open(path, 'rb').read() for path in glob.glob(tempfile.gettempdir() + '/f_*')})
"""
STUBBORN = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)"
CRASHES = ["import os\nos._exit(3)", "import ctypes\nctypes.string_at(0)"]

sessions: Bundle["Model"] = Bundle("sessions")
names = st.sampled_from("abc")
values = (
    st.integers()
    | st.text(max_size=9)
    | st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3)
)
plain = st.tuples(st.integers(1, 9), st.integers(1, 9), st.binary(min_size=3, max_size=3)).map(
    lambda drawn: Image.new("RGB", drawn[:2], tuple(drawn[2]))
)
shared = [freeze(Image.new("RGB", (5, 4), colour)) for colour in ("red", "blue")]
pictures = plain | st.sampled_from(shared)


@dataclass(eq=False)
class Model:
    """What a session should be."""

    real: LocalSession
    given: list[Image.Image]
    images: list[Image.Image]
    variables: dict[str, object] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    reopens: bool = False
    orphaned: bool = False

    def lose_all(self) -> None:
        self.images = [image.copy() for image in self.given]
        self.variables, self.files = {}, {}
        self.reopens = True


@dataclass(frozen=True)
class Footprint:
    """What the sandbox takes of the machine while no session is open."""

    descriptors: int
    processes: int
    zygote: psutil.Process
    memory: int


class Sessions(RuleBasedStateMachine):
    def __init__(self, sandbox: LocalSandbox, others: set[int]) -> None:
        super().__init__()
        self.sandbox, self.others = sandbox, others
        self.models: list[Model] = []
        self.randoms: dict[int, str] = {}
        self.may_kill_zygote = self.may_be_stubborn = True  # once: each costs a second
        self.before = self.footprint()

    def processes(self) -> list[psutil.Process]:
        found = psutil.Process().children(recursive=True)
        return [process for process in found if process.pid not in self.others]

    def footprint(self) -> Footprint:
        self.sandbox.open([]).close()  # starts the zygote if it is not there
        processes = self.settled()
        launcher = next(process for process in processes if process.ppid() == os.getpid())
        zygote = launcher.children()[0]
        descriptors = len(os.listdir("/proc/self/fd"))
        return Footprint(descriptors, len(processes), zygote, zygote.memory_info().rss)

    def settled(self) -> list[psutil.Process]:
        """The sandbox's processes, once those that were killed are gone."""
        assert eventually(lambda: self.sandbox.usage.ahead == AHEAD)
        processes: list[psutil.Process] = []
        while processes != (processes := self.processes()):
            time.sleep(0.05)
        return processes

    def run(self, model: Model, code: str, seconds: float | None = None) -> CellResult | None:
        """Run a cell; None if the session's sandbox is gone, as then it must say so."""
        if model.orphaned:
            with pytest.raises(SandboxError):
                model.real.run(code, seconds)
            return None
        result = model.real.run(code, seconds)
        told = result.stderr.startswith("[new process: the variables of earlier cells are gone, image_1 ..")
        assert told == model.reopens, result
        model.reopens = False
        stderr = result.stderr.partition("\n")[2] if told else result.stderr
        return CellResult(result.status, result.stdout, stderr, result.images, result.truncated)

    def quiet(self, model: Model, code: str) -> bool:
        """Run a cell that succeeds and says nothing, unless the session's sandbox is gone."""
        result = self.run(model, code)
        assert result in (None, CellResult(CellStatus.OK))
        return result is not None

    @precondition(lambda self: len(self.models) < 4)
    @rule(target=sessions, images=st.lists(pictures, max_size=2), seed=st.integers(0, 3))
    def open(self, images: list[Image.Image], seed: int) -> Model:
        model = Model(self.sandbox.open(images, seed), images, [image.copy() for image in images])
        self.models.append(model)
        drawn = self.run(model, "import random, numpy\nprint(random.random(), numpy.random.rand())")
        assert drawn is not None
        assert drawn.stdout == self.randoms.setdefault(seed, drawn.stdout)
        assert len(set(self.randoms.values())) == len(self.randoms)
        return model

    @rule(model=sessions, name=names, value=values)
    def assign(self, model: Model, name: str, value: object) -> None:
        if self.quiet(model, f"v_{name} = {value!r}"):
            model.variables[f"v_{name}"] = value

    @rule(model=sessions, name=names, content=st.binary(max_size=9))
    def write(self, model: Model, name: str, content: bytes) -> None:
        code = f"open(__import__('tempfile').gettempdir() + '/f_{name}', 'wb').write({content!r});"
        if self.quiet(model, code):
            model.files[name] = content

    @rule(model=sessions, name=names, value=values)
    def fail(self, model: Model, name: str, value: object) -> None:
        result = self.run(model, f"v_{name} = {value!r}\nprint('before')\nraise ValueError('on purpose')")
        if result:
            model.variables[f"v_{name}"] = value
            assert (result.status, result.stdout) == (CellStatus.EXCEPTION, "before\n")
            assert result.stderr.startswith("Traceback (most recent call last):\n")
            assert result.stderr.endswith("ValueError: on purpose\n")

    @rule(model=sessions, code=st.sampled_from(["while True: pass", "import time\ntime.sleep(60)"]))
    def be_slow(self, model: Model, code: str) -> None:
        result = self.run(model, code, seconds=0.1)
        assert result in (None, CellResult(CellStatus.TIMEOUT, stderr=TIMEOUT))

    @precondition(lambda self: self.may_be_stubborn)
    @rule(model=sessions)
    def be_stubborn(self, model: Model) -> None:
        result = self.run(model, STUBBORN, seconds=0.3)
        if result:
            self.may_be_stubborn = False
            model.lose_all()
            assert result.status is CellStatus.KILLED
            assert result.stderr.startswith(f"{TIMEOUT}\n[the cell ignored the interrupt")

    @rule(model=sessions, code=st.sampled_from(CRASHES))
    def crash(self, model: Model, code: str) -> None:
        result = self.run(model, code)
        if result:
            model.lose_all()
            assert result.status is CellStatus.CRASHED
            assert result.stderr.startswith("[the process died")

    @rule(model=sessions, colour=st.binary(min_size=3, max_size=3))
    def paint(self, model: Model, colour: bytes) -> None:
        for number, image in enumerate(model.images, 1):
            if self.quiet(model, f"image_{number}.putpixel((0, 0), {tuple(colour)})"):
                image.putpixel((0, 0), tuple(colour))

    @rule(model=sessions)
    def show(self, model: Model) -> None:
        code = "\n".join(f"display(image_{number})" for number in range(1, len(model.images) + 1))
        result = self.run(model, code)
        if result:
            assert (result.status, result.stdout, result.stderr) == (CellStatus.OK, "", "")
            assert len(result.images) == len(model.images)
            for shown, image in zip(result.images, model.images, strict=True):
                assert np.array_equal(np.asarray(shown), np.asarray(image))

    @rule(model=consumes(sessions))
    def close(self, model: Model) -> None:
        self.models.remove(model)
        for _ in range(2):
            model.real.close()
        with pytest.raises(SandboxError, match="closed"):
            model.real.run("1")

    @precondition(lambda self: self.may_kill_zygote and self.models)
    @rule()
    def kill_zygote(self) -> None:
        self.may_kill_zygote = False
        processes = self.processes()
        launcher = next(process for process in processes if process.ppid() == os.getpid())
        launcher.children()[0].kill()
        assert eventually(lambda: not any(lives(process) for process in processes))
        for model in self.models:
            model.orphaned = True

    @invariant()
    def sessions_hold_what_they_were_given_and_nothing_else(self) -> None:
        for model in self.models:
            result = self.run(model, LOOK)
            if result:
                assert (result.status, result.stderr, result.images) == (CellStatus.OK, "", ()), result
                found = [ast.literal_eval(line) for line in result.stdout.splitlines()]
                assert found == [model.variables, model.files]

    def teardown(self) -> None:
        for model in self.models:
            model.real.close()
        after = self.footprint()
        assert after.descriptors == self.before.descriptors
        assert after.processes == self.before.processes
        assert (after.zygote == self.before.zygote) == self.may_kill_zygote
        assert after.memory < self.before.memory + GROWTH


def lives(process: psutil.Process) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.fixture
def sandbox() -> Iterator[LocalSandbox]:
    made = LocalSandbox(SandboxLimits(cell_seconds=30, memory_bytes=256 << 20), ahead=AHEAD)
    yield made
    made.close()


@pytest.mark.timeout(600)  # hypothesis takes up to 300 s to shrink a failure
def test_sessions_behave_as_their_models(sandbox: LocalSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "INTERRUPT_GRACE_SECONDS", 1.0)
    others = {process.pid for process in psutil.Process().children(recursive=True)}
    run_state_machine_as_test(
        lambda: Sessions(sandbox, others),
        settings=settings(
            max_examples=10, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
