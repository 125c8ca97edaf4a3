import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import gymnasium as gym
import numpy as np
import pytest
from env_parts import BrokenSandbox, InProcessSandbox, InProcessSession, answer, code, make_source
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from PIL import Image

from deepeyes_env import ConfigError, DeepEyesEnv, DeepEyesVectorEnv


def make(num_envs: int = 3, **settings: object) -> DeepEyesVectorEnv:
    settings = {"tasks": make_source(), "sandbox": InProcessSandbox(), "prompt": "minimal"} | settings
    envs = gym.make_vec("DeepEyes-v0", num_envs=num_envs, **settings)
    assert isinstance(envs, DeepEyesVectorEnv)
    return envs


class GateSession(InProcessSession):
    """A cell that says `wait()` waits for the gate."""

    gate = threading.Event()

    def run(self, code: str):
        if "wait" in code:
            assert self.gate.wait(30)
        return super().run("print('done')")


class GateSandbox(InProcessSandbox):
    def open(self, images: Sequence[Image.Image], seed: int = 0) -> InProcessSession:
        self.sessions.append(GateSession(images, seed))
        return self.sessions[-1]


def test_it_gives_what_gymnasiums_own_vector_env_gives() -> None:
    def one() -> gym.Env:
        return DeepEyesEnv(tasks=make_source(), sandbox=InProcessSandbox(), prompt="minimal")

    ours, theirs = make(), SyncVectorEnv([one] * 3)
    assert ours.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    options = {"split": "test"}
    np.testing.assert_equal(ours.reset(seed=5, options=options), theirs.reset(seed=5, options=options))
    theirs.action_space.seed(2)
    for _ in range(12):
        actions = theirs.action_space.sample()
        given, expected = ours.step(actions), theirs.step(actions)
        assert given[0] in ours.observation_space
        np.testing.assert_equal(given, expected)
    ours.close()
    theirs.close()


def test_an_ended_slot_begins_anew_in_the_next_step() -> None:
    envs = make(2)
    envs.reset(seed=0, options={"index": [4, 6]})
    _, rewards, terminations, _, infos = envs.step([answer(4), code("print(1)")])
    assert (list(rewards), list(terminations)) == ([1.0, 0.0], [True, False])
    assert infos["outcome"][0] == "answered"
    observations, rewards, terminations, _, infos = envs.step(["ignored", answer(6)])
    assert (list(rewards), list(terminations)) == ([0.0, 1.0], [False, True])
    assert observations["text"][0].startswith("<image>\nWhat is")
    assert infos["system_prompt"][0]
    envs.close()


def test_a_slow_tool_holds_nobody_back() -> None:
    GateSession.gate.clear()
    envs = make(3, sandbox=GateSandbox())
    for slot in range(3):
        envs.begin(slot, index=slot)
    envs.submit(0, code("wait"))
    for _ in range(3):
        envs.submit(1, code("print(1)"))
        envs.submit(2, code("print(1)"))
        seen: list[int] = []
        while len(seen) < 2:
            seen += [slot for slot, _ in envs.ready()]
        assert sorted(seen) == [1, 2]
    assert envs.ready(timeout=0.01) == []
    GateSession.gate.set()
    ((slot, result),) = envs.ready()
    assert slot == 0
    assert "done" in result.observation.text
    assert envs.ready() == []
    envs.close()


def test_streaming_is_the_single_env() -> None:
    envs, env = make(2), DeepEyesEnv(tasks=make_source(), sandbox=InProcessSandbox(), prompt="minimal")
    first, info = envs.begin(1, index=3, split="validation", seed=9)
    observation, expected_info = env.reset(seed=9, options={"index": 3, "split": "validation"})
    assert (first.text, info) == (observation["text"], expected_info)
    for turn in (code("print(SEED)"), answer(3)):
        envs.submit(1, turn)
        ((_, result),) = envs.ready()
        observation, reward, terminated, truncated, info = env.step(turn)
        assert result.observation.text == observation["text"]
        assert (result.reward, result.terminated, result.truncated) == (reward, terminated, truncated)
        assert result.info == info
    assert result.done
    envs.close()


def test_abandon_truncates_and_frees_the_session() -> None:
    sandbox = InProcessSandbox()
    envs = make(1, sandbox=sandbox)
    envs.begin(0, index=0)
    envs.submit(0, code("x = 1"))
    envs.ready()
    result = envs.abandon(0)
    assert (result.truncated, result.reward, result.info["outcome"]) == (True, 0.0, "truncated")
    assert sandbox.sessions[0].closed
    with pytest.raises(RuntimeError, match="no episode is running"):
        envs.abandon(0)
    envs.close()


def test_infrastructure_failures_come_back_as_results() -> None:
    envs = make(1, sandbox=BrokenSandbox())
    envs.begin(0, index=0)
    envs.submit(0, code("1"))
    ((_, result),) = envs.ready()
    assert result.info["outcome"] == "infra_failed"
    assert envs.telemetry.failures == ["no more processes"]
    envs.close()


def test_an_error_in_a_tool_is_raised_where_the_result_is_taken() -> None:
    class Bug(InProcessSandbox):
        def open(self, images: Sequence[Image.Image], seed: int = 0) -> InProcessSession:
            raise ZeroDivisionError("a bug in a sandbox")

    envs = make(1, sandbox=Bug())
    envs.begin(0, index=0)
    envs.submit(0, code("1"))
    with pytest.raises(ZeroDivisionError, match="a bug in a sandbox"):
        envs.ready()
    envs.close()


def test_a_turn_that_raises_takes_no_other_result_with_it() -> None:
    class Bug(InProcessSandbox):
        def open(self, images: Sequence[Image.Image], seed: int = 0) -> InProcessSession:
            raise ZeroDivisionError("a bug in a sandbox")

    envs = make(4, sandbox=Bug())
    turns = [code("1"), answer(1), code("1"), answer(2)]
    for slot, turn in enumerate(turns):
        envs.begin(slot, index=slot)
        envs.submit(slot, turn)
    seen: list[int] = []
    raised = 0
    while len(seen) + raised < len(turns):
        try:
            seen += [slot for slot, _ in envs.ready()]
        except ZeroDivisionError:
            raised += 1
    assert (sorted(seen), raised) == ([1, 3], 2)
    assert envs.ready() == []
    envs.close()


def test_misuse_is_named() -> None:
    GateSession.gate.clear()
    envs = make(2, sandbox=GateSandbox())
    with pytest.raises(ResetNeeded):
        envs.step(["", ""])
    with pytest.raises(ResetNeeded, match="slot 0"):
        envs.submit(0, answer(1))
    for slot in (-1, 2):
        with pytest.raises(IndexError, match=f"slot {slot}: there are 2 slots"):
            envs.begin(slot, index=0)
    envs.begin(0, index=0)
    with pytest.raises(TypeError, match="not NoneType"):
        envs.submit(0, None)  # type: ignore[arg-type]
    envs.submit(0, code("wait"))
    for call in (lambda: envs.submit(0, ""), lambda: envs.abandon(0), lambda: envs.begin(0, index=1)):
        with pytest.raises(RuntimeError, match="in flight"):
            call()
    with pytest.raises(RuntimeError, match="in flight"):
        envs.reset()
    GateSession.gate.set()
    envs.ready()
    with pytest.raises(ValueError, match="3 turns for 2 slots"):
        envs.step(["", "", ""])
    with pytest.raises(ValueError, match="1 seeds for 2 slots"):
        envs.reset(seed=[1])
    with pytest.raises(ValueError, match="3 indices for 2 slots"):
        envs.reset(options={"index": [1, 2, 3]})
    with pytest.raises(ConfigError, match="did you mean 'max_turns'"):
        make(max_turn=2)
    with pytest.raises(ConfigError, match="num_envs = 0"):
        make(0)
    with pytest.raises(ConfigError, match="workers = 0: must be at least 1"):
        make(workers=0)
    with pytest.raises(ConfigError, match="did you mean 'ansi'"):
        make(render_mode="ansy")
    envs.close()
    with pytest.raises(ClosedEnvironmentError, match="make new ones"):
        envs.reset()


def test_a_seed_may_be_a_numpy_integer() -> None:
    envs = make(2)
    np.testing.assert_equal(envs.reset(seed=np.int64(3)), envs.reset(seed=3))
    envs.close()


def test_closing_ends_every_session_and_may_be_repeated() -> None:
    sandbox = InProcessSandbox()
    envs = make(3, sandbox=sandbox)
    envs.reset(seed=0)
    envs.step([code("1")] * 3)
    envs.close()
    envs.close()
    assert len(sandbox.sessions) == 3
    assert all(session.closed for session in sandbox.sessions)


def test_who_waits_for_a_step_is_told_that_the_environments_were_closed_before_its_turn() -> None:
    GateSession.gate.clear()
    sandbox = GateSandbox()
    envs = make(2, sandbox=sandbox, workers=1)
    envs.reset(seed=0)
    with ThreadPoolExecutor(2) as threads:
        step = threads.submit(envs.step, [code("wait()"), code("1")])
        while not sandbox.sessions:
            time.sleep(0.01)
        closing = threads.submit(envs.close)
        while not envs._closing:
            time.sleep(0.01)
        GateSession.gate.set()
        with pytest.raises(ClosedEnvironmentError, match="make new ones"):
            step.result(30)
        closing.result(30)
    assert [session.closed for session in sandbox.sessions] == [True]


def test_rendering_gives_one_picture_per_slot() -> None:
    envs = make(2, render_mode="ansi")
    envs.reset(options={"index": 1})
    assert ["What is 1?" in text for text in envs.render()] == [True, True]
    envs.close()
