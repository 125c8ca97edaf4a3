"""A stored trajectory, played again in the real environment with the real tools, is the same to the byte."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest
from actors import LOOK, SAY, Parrot, PythonSandbox, Riddles, failing
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder import from_texts, record
from talk import noise_image, vocabulary

from agents.policy import PolicyError, SamplingParams
from agents.replay import Replayer, ReplayError
from agents.rollout import NO_LIMITS, RolloutLimits, rollout
from agents.speaker import RolloutRequest
from agents.store import TrajectoryWriter, read_trajectories
from agents.trajectory import SeedLineage, Trajectory, TrajectoryError
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import NO_REWARD
from deepeyes_env.sandbox.base import SandboxError
from deepeyes_env.tasks import RealWorldConfig, WorldConfig
from deepeyes_env.tasks.worlds import oracle_for
from deepeyes_env.testing import grammatical_turns, turns
from deepeyes_env.vector import DeepEyesVectorEnv

SETTINGS = EnvConfig(
    source=WorldConfig(families=("house-number", "market-stalls", "stranger-emblem")),
    prompt="minimal",
    max_pixels=60 * 784,
    tool_max_pixels=20 * 784,
)


def code(*lines: str) -> str:
    body = "\n".join(lines)
    return f"<think>look</think>\n<code>\n```python\n{body}\n```\n</code>"


def assert_equal_to_the_byte(one: Trajectory, other: Trajectory) -> None:
    for field in fields(Trajectory):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, np.ndarray):
            assert (mine.dtype, mine.tobytes()) == (theirs.dtype, theirs.tobytes()), field.name
        else:
            assert mine == theirs, field.name


@cache
def env() -> DeepEyesVectorEnv:
    return DeepEyesVectorEnv(1, SETTINGS)


@cache
def replayer() -> Replayer:
    return Replayer(SETTINGS, vocabulary())


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    env().close()


# --- Real worlds, real tools -------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(3))
def test_an_oracles_episode_is_repeated_from_the_store(index, tmp_path):
    env().begin(0, index, "validation", 0)
    script = oracle_for(env().episode(0).task)
    recorded = record(env(), index, script, split="validation")
    assert recorded.outcome is Outcome.ANSWERED
    assert len(recorded.turns) > 1
    with TrajectoryWriter(tmp_path) as writer:
        writer.append(recorded)
    (stored,) = read_trajectories(tmp_path)
    # Without index: the source knows where its task is.
    assert_equal_to_the_byte(replayer().replay(stored), recorded)


def test_an_episode_in_the_real_world_is_repeated():
    settings = EnvConfig(source=RealWorldConfig(), prompt="minimal", max_pixels=60 * 784)
    with_real = DeepEyesVectorEnv(1, settings)
    try:
        recorded = record(with_real, 5, from_texts([code("image_1.size"), SAY]), split="test")
    finally:
        with_real.close()
    assert_equal_to_the_byte(Replayer(settings, vocabulary()).replay(recorded), recorded)


def test_randomness_in_the_sandbox_comes_from_the_lineage():
    draw = code("import random, numpy", "print(random.random(), numpy.random.rand(), id is not None)")
    one = record(env(), 0, from_texts([draw, SAY]), lineage=SeedLineage(1))
    other = record(env(), 0, from_texts([draw, SAY]), lineage=SeedLineage(1, sample=1))
    assert one.turns[0].observation != other.turns[0].observation
    for recorded in (one, other):
        assert_equal_to_the_byte(replayer().replay(recorded, index=0, split="train"), recorded)
    with pytest.raises(ReplayError, match=r"at turn 0: the observation's text differs at character"):
        replayer().replay(replace(one, lineage=other.lineage))


def test_state_of_the_session_and_images_are_repeated():
    recorded = record(
        env(),
        1,
        from_texts(
            [
                code("crop = image_1.crop((0, 0, 50, 40)); crop.show(); image_1.resize((30, 400)).show()"),
                code("crop.rotate(90)"),
                '<think>who?</think>\n<tool_call>\n{"name": "image_search"}\n</tool_call>',
                "<think>七 Größe</think><answer>no idea</answer>",
            ]
        ),
    )
    assert len(recorded.images) >= 4
    assert [turn.action for turn in recorded.turns] == ["code", "code", "image_search", "answer"]
    assert_equal_to_the_byte(replayer().replay(recorded), recorded)


# --- Every way to end --------------------------------------------------------------------------------------


def test_truncated_by_the_token_limit_of_a_turn():
    recorded = record(env(), 0, from_texts([code("1"), LOOK]), cut_turn=1)
    assert (recorded.outcome, recorded.turns[-1].finish_reason) == (Outcome.TRUNCATED, "length")
    assert_equal_to_the_byte(replayer().replay(recorded), recorded)


def test_truncated_by_the_context():
    show = code("image_1.show()")
    whole = record(env(), 0, from_texts([show, show, SAY]))
    limit = whole.turns[2].start - 1  # the second observation does not fit by one token
    recorded = record(env(), 0, from_texts([show, show, SAY]), max_tokens=limit)
    assert recorded.outcome is Outcome.TRUNCATED
    assert len(recorded.turns) == 2
    same_limit = Replayer(SETTINGS, vocabulary(), max_tokens=limit)
    assert_equal_to_the_byte(same_limit.replay(recorded), recorded)
    with pytest.raises(
        ReplayError, match=r"turn 1: the episode goes on, the record ends as truncated; was the"
    ):
        replayer().replay(recorded)
    smaller = Replayer(SETTINGS, vocabulary(), max_tokens=whole.turns[1].start - 1)
    with pytest.raises(
        ReplayError, match=r"turn 0: the record goes on, but .* exceed \d+; give the rollout's max"
    ):
        smaller.replay(recorded)


@pytest.mark.parametrize("limit", ["max_turns", "max_images", "max_episode_pixels"])
def test_truncated_by_the_environment(limit):
    show = code("image_1.show()")
    script = [show, show, SAY]
    whole = record(env(), 0, from_texts(script))
    two_images = sum(image.pixels for image in whole.images[:2])
    value = two_images if limit == "max_episode_pixels" else 2
    settings = replace(SETTINGS, **{limit: value})
    limited = DeepEyesVectorEnv(1, settings)
    try:
        recorded = record(limited, 0, from_texts(script))
    finally:
        limited.close()
    assert recorded.outcome is Outcome.TRUNCATED
    assert (len(recorded.turns), len(recorded.images)) == (2, 2)
    assert_equal_to_the_byte(Replayer(settings, vocabulary()).replay(recorded), recorded)


@pytest.mark.parametrize("prefill", [True, False])
def test_malformed(prefill):
    recorded = record(env(), 0, from_texts([code("1"), "<think>nothing"]), think_prefill=prefill)
    assert recorded.outcome is Outcome.MALFORMED
    assert_equal_to_the_byte(replayer().replay(recorded), recorded)


@pytest.mark.parametrize("failing_cell", [1, 2])
def test_a_failure_of_the_infrastructure_is_repeated_although_the_sandbox_is_well(failing_cell):
    cells = [0]

    def fail(_: str) -> None:
        cells[0] += 1
        if cells[0] == failing_cell:
            raise SandboxError("gone")

    broken = DeepEyesVectorEnv(1, EnvConfig(prompt="minimal"), tasks=Riddles(), sandbox=PythonSandbox(fail))
    recorded = record(broken, 0, from_texts([LOOK, LOOK, SAY]))
    broken.close()
    assert recorded.outcome is Outcome.INFRA_FAILED
    assert len(recorded.turns) == failing_cell
    well = Replayer(EnvConfig(prompt="minimal"), vocabulary(), tasks=Riddles(), sandbox=PythonSandbox())
    assert_equal_to_the_byte(well.replay(recorded, index=0, split="train"), recorded)


def test_an_infrastructure_that_fails_in_the_replay_is_a_difference():
    settings = EnvConfig(prompt="minimal")
    well = DeepEyesVectorEnv(1, settings, tasks=Riddles(), sandbox=PythonSandbox())
    recorded = record(well, 0, from_texts([LOOK, SAY]))
    well.close()
    ill = Replayer(settings, vocabulary(), tasks=Riddles(), sandbox=PythonSandbox(failing(1)))
    with pytest.raises(
        ReplayError, match=r"'riddles/train/0'.*turn 0: .*infra_failed \(the sandbox is gone\), the record"
    ):
        ill.replay(recorded, index=0, split="train")


# --- What a rollout records --------------------------------------------------------------------------------


class Unreachable(Parrot):
    """A policy whose server goes after some turns."""

    def __init__(self, *turns: str, left: int) -> None:
        super().__init__(*turns)
        self.left = left

    async def generate(self, request, params):
        self.left -= 1
        if self.left < 0:
            raise PolicyError("the server is gone")
        return await super().generate(request, params)


class Slow(Parrot):
    """A policy that never finishes its second turn."""

    async def generate(self, request, params):
        if len(self.seeds) == 1:
            await asyncio.sleep(3600)
        return await super().generate(request, params)


def rolled_out(policy, sandbox=None, limits=NO_LIMITS, **options) -> Trajectory:
    sandbox = PythonSandbox() if sandbox is None else sandbox
    riddles = DeepEyesAsyncEnv(1, EnvConfig(prompt="minimal"), tasks=Riddles(), sandbox=sandbox)
    wanted = [RolloutRequest(3, "test", SeedLineage(2, sample=5))]
    try:
        (one,) = rollout(policy, riddles, wanted, SamplingParams(), limits=limits, **options)
    finally:
        riddles.close()
    return one


def hang(_: str) -> None:
    time.sleep(1)


@pytest.mark.parametrize(
    ("make", "outcome", "turns"),
    [
        (lambda: rolled_out(Parrot(LOOK, LOOK, SAY)), Outcome.ANSWERED, 3),
        (lambda: rolled_out(Parrot("<think>")), Outcome.MALFORMED, 1),
        (lambda: rolled_out(Parrot(LOOK, LOOK, cut=1)), Outcome.TRUNCATED, 2),
        (lambda: rolled_out(Parrot(LOOK, SAY), PythonSandbox(failing(1))), Outcome.INFRA_FAILED, 1),
        (lambda: rolled_out(Unreachable(LOOK, SAY, left=1)), Outcome.INFRA_FAILED, 1),
        (lambda: rolled_out(Unreachable(LOOK, SAY, left=0)), Outcome.INFRA_FAILED, 0),
    ],
)
def test_whatever_a_rollout_records_is_repeated(make, outcome, turns):
    recorded = make()
    assert (recorded.outcome, len(recorded.turns)) == (outcome, turns)
    well = Replayer(EnvConfig(prompt="minimal"), vocabulary(), tasks=Riddles(), sandbox=PythonSandbox())
    assert_equal_to_the_byte(well.replay(recorded, index=3, split="test"), recorded)


@pytest.mark.parametrize(
    ("make", "outcome"),
    [
        (lambda: rolled_out(Slow(LOOK, SAY), None, RolloutLimits(episode_seconds=0.3)), Outcome.TRUNCATED),
        (
            lambda: rolled_out(Parrot(LOOK), PythonSandbox(hang), RolloutLimits(episode_seconds=0.3)),
            Outcome.TRUNCATED,
        ),
        (
            lambda: rolled_out(Parrot(LOOK), PythonSandbox(hang), RolloutLimits(tool_seconds=0.1)),
            Outcome.INFRA_FAILED,
        ),
    ],
)
def test_what_ran_out_of_time_is_repeated_in_no_time(make, outcome):
    recorded = make()  # with one turn, or with none on a machine that is slow enough
    assert recorded.outcome is outcome
    well = Replayer(EnvConfig(prompt="minimal"), vocabulary(), tasks=Riddles(), sandbox=PythonSandbox())
    assert_equal_to_the_byte(well.replay(recorded, index=3, split="test"), recorded)


def test_an_answer_that_no_judge_could_be_asked_about_is_repeated():
    recorded = rolled_out(Parrot(LOOK, SAY))
    failed = replace(recorded, outcome=Outcome.INFRA_FAILED, reward=NO_REWARD)
    well = Replayer(EnvConfig(prompt="minimal"), vocabulary(), tasks=Riddles(), sandbox=PythonSandbox())
    assert_equal_to_the_byte(well.replay(failed, index=3, split="test"), failed)


# --- Any conversation --------------------------------------------------------------------------------------

TURNS = st.one_of(grammatical_turns(), turns()).filter(lambda text: text.removeprefix("<think>"))


@settings(max_examples=40)
@given(
    st.lists(TURNS, min_size=1, max_size=4),
    st.integers(0, 2),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([24_576, 700, 400]),
)
def test_any_conversation_is_repeated_to_the_byte(texts, index, sample, prefill, max_tokens):
    encodable = [text.encode("utf-8", "replace").decode() for text in texts]
    recorded = record(
        env(),
        index,
        from_texts(encodable),
        lineage=SeedLineage(3, sample=sample),
        think_prefill=prefill,
        max_tokens=max_tokens,
    )
    same = Replayer(SETTINGS, vocabulary(), tasks=replayer().tasks, max_tokens=max_tokens)
    assert_equal_to_the_byte(same.replay(recorded), recorded)


# --- What differs is named ---------------------------------------------------------------------------------


@cache
def good() -> Trajectory:
    return record(env(), 0, from_texts([code("image_1.show(); 6 * 7"), code("print('ok')"), SAY]))


def with_turn(trajectory: Trajectory, number: int, **changes: object) -> Trajectory:
    edited = list(trajectory.turns)
    edited[number] = replace(edited[number], **changes)
    return replace(trajectory, turns=tuple(edited))


def with_token(trajectory: Trajectory, place: int, text: str) -> Trajectory:
    ids = trajectory.input_ids.copy()
    (ids[place],) = vocabulary().encode(text)
    return replace(trajectory, input_ids=ids)


def differing():
    one = good()
    first, second, _ = one.turns
    picture = noise_image(5, one.images[0].width // 28, one.images[0].height // 28)
    shown = noise_image(6, one.images[1].width // 28, one.images[1].height // 28)
    yield r"prompt: system_prompt differs at character 0: 'Answer", replace(one, system_prompt="?")
    yield r"prompt: the observation's text differs", replace(one, prompt=one.prompt + "!")
    yield (
        r"prompt: image 0 of the observation is \w{12} \(\d+x\d+\), recorded",
        replace(one, images=(picture, one.images[1])),
    )
    yield r"prompt: token 1 is .*recorded '7'", with_token(one, 1, "7")
    yield (
        r"turn 0: the observation's text differs .*42",
        with_turn(one, 0, observation=first.observation.replace("42", "43")),
    )
    yield r"turn 0: image 0 of the observation", replace(one, images=(one.images[0], shown))
    yield r"turn 0: token \d+ is", with_token(one, second.start - 4, "7")
    yield (
        r"turn 1: the record's text is not what its ids say",
        with_turn(one, 1, text=second.text[:-9] + "x</code>"),
    )
    yield r"turn 1: the record's text is not what its ids say", with_turn(one, 1, text="<answer>7</answer>")
    yield r"turn 1: the record's text is not what its ids say", with_token(one, second.start + 1, "7")
    yield r"turn 1: tool_ok is True, recorded False", with_turn(one, 1, tool_ok=False)
    yield r"turn 1: action differs .*'code', recorded 'search'", with_turn(one, 1, action="search")
    yield r"turn 2: answer differs .*recorded '8'", replace(one, answer="8")
    yield r"turn 2: outcome .*'answered'.*recorded.*'malformed'", replace(one, outcome=Outcome.MALFORMED)
    yield r"turn 2: reward is Reward", replace(one, reward=replace(one.reward, total=0.99))
    yield r"turn 2: turns is ", with_turn(one, 2, observation="more")
    yield r"turn 2: question differs", replace(one, question="What else?")
    yield r"turn 2: skills is ", replace(one, skills=("search",))


@pytest.mark.parametrize("number", range(18))
def test_a_difference_is_named_with_its_turn(number):
    message, bad = list(differing())[number]
    with pytest.raises(ReplayError, match=message) as caught:
        replayer().replay(bad, index=0, split="train")
    assert "trajectory 'fictional" in str(caught.value)
    assert "SeedLineage(run_seed=11" in str(caught.value)


def test_all_differences_are_tried():
    assert len(list(differing())) == 18


def test_an_episode_that_ends_too_early_is_a_difference():
    shorter = Replayer(replace(SETTINGS, max_turns=1), vocabulary())
    with pytest.raises(ReplayError, match=r"turn 0: the episode ends as truncated, the record goes on"):
        shorter.replay(good())


def test_another_task_and_an_unsound_record_are_refused():
    with pytest.raises(ReplayError, match=r"at the prompt: task_id differs"):
        replayer().replay(good(), index=3, split="train")
    with pytest.raises(ValueError, match="'elsewhere/train/1' is no task of 'fictional"):
        replayer().replay(replace(good(), task_id="elsewhere/train/1"))
    with pytest.raises(TrajectoryError, match="one dimension"):
        replayer().replay(replace(good(), input_ids=good().input_ids[None]))
    riddles = Replayer(EnvConfig(prompt="minimal"), vocabulary(), tasks=Riddles(), sandbox=PythonSandbox())
    with pytest.raises(ValueError, match=r"'riddles' cannot say where its task is; pass index= and split="):
        riddles.replay(good())


def test_a_scripted_trajectory_stays_a_scripted_one():
    scripted = replace(good(), token_exact=False, logprobs=np.zeros_like(good().logprobs))
    assert_equal_to_the_byte(replayer().replay(scripted), scripted)


def test_a_token_slipped_in_before_a_turn_is_a_difference_at_that_turn():
    place = good().turns[2].start
    parts = {
        name: np.insert(getattr(good(), name), place, value)
        for name, value in (("input_ids", 65), ("loss_mask", False), ("logprobs", 0))
    }
    moved = [replace(turn, start=turn.start + 1, end=turn.end + 1) for turn in good().turns[2:]]
    with pytest.raises(ReplayError, match=rf"turn 2: token {place} is "):
        replayer().replay(replace(good(), **parts, turns=(*good().turns[:2], *moved)))
