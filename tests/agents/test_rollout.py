import asyncio
import signal
import threading
import time

import numpy as np
import pytest
from actors import LOOK, SAY, WAIT, Parrot, PythonSandbox, failing, lineages, make_env
from hypothesis import given
from hypothesis import strategies as st
from talk import tiny, vocabulary

from agents.metrics import summarise
from agents.policy import PolicyError, SamplingParams
from agents.rollout import RolloutLimits, group_requests, rollout, stream
from agents.rollout_stats import RolloutStats
from agents.speaker import PolicySpeaker, RolloutRequest, session_seed, turn_seed
from agents.trajectory import SeedLineage, check_trajectory
from agents.transcript import ContextFull
from agents.transformers_policy import TransformersPolicy
from deepeyes_env.outcome import Outcome
from deepeyes_env.remote.error import RemoteError
from deepeyes_env.rewards.base import NO_REWARD

PARAMS = SamplingParams(max_tokens=12)


def requests(count):
    return [RolloutRequest(number, "train", lineage) for number, lineage in enumerate(lineages(count))]


def run(policy, env, wanted, **options):
    try:
        return list(rollout(policy, env, wanted, PARAMS, **options))
    finally:
        env.close()


# --- What a trajectory holds -------------------------------------------------------------------------------


def test_an_episode_becomes_a_trajectory():
    (one,) = run(Parrot(LOOK, SAY), make_env(1), requests(1), versions={"policy": "parrot"})
    check_trajectory(one)
    assert (one.task_id, one.family, one.question, one.reference) == (
        "riddles/train/0",
        "riddles",
        "Riddle 0?",
        "7",
    )
    assert (one.outcome, one.answer) == (Outcome.ANSWERED, "7")
    assert one.reward.accuracy == one.reward.format == 1.0
    assert [(turn.action, turn.tool_ok) for turn in one.turns] == [("code", True), ("answer", None)]
    assert [turn.text for turn in one.turns] == [LOOK, SAY]
    assert "7" in one.turns[0].observation
    assert one.lineage == lineages(1)[0]
    assert one.versions == {"policy": "parrot"}


def test_the_sampled_ids_are_in_it_as_sampled():
    (one,) = run(Parrot(LOOK, SAY), make_env(1), requests(1))
    sampled = vocabulary().encode(LOOK) + vocabulary().encode(SAY.removeprefix("<think>"))
    assert one.input_ids[one.loss_mask].tolist() == sampled
    assert (one.logprobs[one.loss_mask] == -0.5).all()


def test_the_prefill_can_be_switched_off():
    policy = Parrot(LOOK, "<answer>7</answer>")
    (one,) = run(policy, make_env(1, think="optional"), requests(1), think_prefill=False)
    assert one.turns[1].text == "<answer>7</answer>"
    assert one.reward.format == 1.0


def test_a_real_model_in_the_real_loop():
    policy = TransformersPolicy(tiny().model, tiny().tokenizer)
    finished = run(policy, make_env(2), requests(3))
    for one in finished:
        check_trajectory(one)
    assert summarise(finished).episodes == 3


# --- Independence of batching and order --------------------------------------------------------------------


def test_results_do_not_depend_on_the_number_of_slots():
    policy = TransformersPolicy(tiny().model, tiny().tokenizer)
    wanted = [
        *group_requests(0, 3, SeedLineage(9, prompt=0)),
        *group_requests(1, 2, SeedLineage(9, prompt=1)),
    ]
    few, many = (run(policy, make_env(slots), wanted) for slots in (1, 4))
    for one, other in zip(few, many, strict=True):
        assert one.input_ids.tolist() == other.input_ids.tolist()
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)
    assert few[0].input_ids.tolist() != few[1].input_ids.tolist()


def test_every_turn_of_every_draw_has_its_own_seed():
    policy = Parrot(LOOK, LOOK, SAY)
    run(policy, make_env(3), requests(4))
    assert len(set(policy.seeds)) == 4 * 3


def test_seeds_stay_what_they_are():
    lineage = SeedLineage(run_seed=1, step=2, prompt=3, sample=4)
    # Taken from the first implementation: a change would silently change every seeded run.
    assert turn_seed(lineage, 0) == 3706442873404623985
    assert session_seed(lineage) == 1832826146


@given(st.builds(SeedLineage, *[st.integers(0, 2**40)] * 4), st.integers(0, 8))
def test_seeds_are_what_generators_take(lineage, turn):
    assert 0 <= turn_seed(lineage, turn) < 2**63
    assert 0 <= session_seed(lineage) < 2**31


def test_a_group_shares_its_task():
    group = group_requests(17, 3, SeedLineage(1, step=2, prompt=5), split="validation")
    assert [(one.index, one.split, one.lineage.sample) for one in group] == [
        (17, "validation", k) for k in range(3)
    ]


def test_trajectories_come_in_the_order_of_the_requests():
    last_done, order = threading.Event(), []

    def act(code):
        assert "wait()" not in code or last_done.wait(60)

    class Uneven(Parrot):
        def turns_of(self, request):
            return (WAIT, SAY) if request.conversation.startswith("riddles/train/0 ") else (LOOK, SAY)

        async def generate(self, request, params):
            order.append(request.conversation.split()[0])
            sample = await super().generate(request, params)
            if request.conversation.startswith("riddles/train/3 ") and request.known:
                last_done.set()
            return sample

    finished = run(Uneven(), make_env(2, PythonSandbox(act)), requests(4))
    assert order[-1] == "riddles/train/0"
    assert [one.lineage for one in finished] == lineages(4)


# --- Streaming ---------------------------------------------------------------------------------------------


def test_a_slow_tool_holds_up_its_own_episode_only():
    opened = threading.Event()

    def act(code):
        # Everybody else must be able to finish while this cell runs: the test opens the gate only then.
        assert "wait()" not in code or opened.wait(60), "the other episodes waited for this tool"

    class Slow(Parrot):
        def turns_of(self, request):
            return (WAIT, SAY) if request.conversation.startswith("riddles/train/6 ") else (LOOK, SAY)

    env = make_env(3, PythonSandbox(act))
    finished = rollout(Slow(), env, requests(7), PARAMS)
    others = [next(finished).lineage.prompt for _ in range(6)]
    opened.set()
    (slow,) = finished
    env.close()
    assert others == [0, 1, 2, 3, 4, 5]
    assert slow.lineage.prompt == 6
    assert slow.turns[0].tool_ok is True


def test_lockstep_makes_the_batches_independent_of_the_clock():
    policy = Parrot(LOOK, LOOK, SAY)
    finished = run(policy, make_env(3), requests(5), lockstep=True)
    assert policy.batches == [3, 3, 3, 2, 2, 2]
    assert [one.lineage.prompt for one in finished] == [0, 1, 2, 3, 4]


def test_lockstep_batches_are_in_the_order_of_the_requests():
    first = [turn_seed(lineage, 0) for lineage in lineages(6)]
    second = [turn_seed(lineage, 1) for lineage in lineages(6)]
    policy = Parrot(LOOK, SAY)
    run(policy, make_env(3), requests(6), lockstep=True)
    assert policy.seeds == [*first[:3], *second[:3], *first[3:], *second[3:]]


def test_lockstep_and_wall_clock_limits_exclude_each_other():
    with pytest.raises(ValueError, match="drop one"):
        run(Parrot(SAY), make_env(1), requests(1), lockstep=True, limits=RolloutLimits(tool_seconds=1.0))


def test_episodes_that_end_make_room():
    finished = run(Parrot(LOOK, SAY), make_env(2), requests(9))
    assert [one.lineage.prompt for one in finished] == list(range(9))


def test_requests_are_taken_as_episodes_end():
    taken = []

    def endless():
        for request in requests(10_000):
            taken.append(request.index)
            yield request

    env = make_env(2)
    finished = rollout(Parrot(SAY), env, endless(), PARAMS)
    for _ in range(3):
        next(finished)
    finished.close()
    env.close()
    assert len(taken) <= 3 + 8 * 2


def test_a_straggler_holds_back_no_more_than_the_window():
    taken, opened = [], threading.Event()

    def act(code):
        assert "wait()" not in code or opened.wait(60)

    def counted():
        for request in requests(40):
            taken.append(request.index)
            if len(taken) == 16:
                opened.set()  # the window is full: only now may the straggler go on
            yield request

    class Slow(Parrot):
        def turns_of(self, request):
            return (WAIT, SAY) if request.conversation.startswith("riddles/train/0 ") else (SAY, SAY)

    finished = run(Slow(), make_env(2, PythonSandbox(act)), counted())
    assert [one.lineage.prompt for one in finished] == list(range(40))


def test_the_stream_itself_works_in_a_running_loop():
    async def collect():
        speaker = PolicySpeaker(Parrot(LOOK, SAY), PARAMS)
        return [one.lineage async for one in stream(speaker, env, requests(3))]

    env = make_env(2)
    assert asyncio.run(collect()) == lineages(3)

    async def wrongly():
        return list(rollout(Parrot(SAY), env, requests(1), PARAMS))

    with pytest.raises(RuntimeError, match="async for"):
        asyncio.run(wrongly())
    env.close()


def test_statistics_count_what_happened():
    stats = RolloutStats()
    finished = run(
        Parrot(LOOK, SAY), make_env(2, PythonSandbox(failing(1))), requests(3), infra_retries=1, stats=stats
    )
    tokens = sum(int(one.loss_mask.sum()) for one in finished)
    assert (stats.episodes, stats.retries, stats.turns) == (3, 1, 7)
    assert stats.wasted_tokens == finished[0].turns[0].end - finished[0].turns[0].start
    assert stats.sampled_tokens == tokens + stats.wasted_tokens
    assert (stats.generating, stats.performing) == (0, 0)
    assert [reason.split(": ", 1)[1] for reason in stats.failures] == ["the sandbox is gone"]
    assert stats.tool_turns == 7


# --- Ends --------------------------------------------------------------------------------------------------


def test_a_turn_cut_by_the_token_limit_is_not_performed():
    sandbox = PythonSandbox()
    (one,) = run(Parrot(LOOK, cut=0), make_env(1, sandbox), requests(1))
    check_trajectory(one)
    assert one.outcome is Outcome.TRUNCATED
    assert sandbox.cells == []
    assert one.turns[0].finish_reason == "length"
    assert one.reward == NO_REWARD


def test_a_turn_that_asks_again_and_again_ends_at_the_turn_limit():
    (one,) = run(Parrot(LOOK, LOOK, LOOK), make_env(1, max_turns=3), requests(1))
    check_trajectory(one)
    assert one.outcome is Outcome.TRUNCATED
    assert [turn.tool_ok for turn in one.turns] == [True, True, None]


def test_a_full_context_ends_the_episode_before_the_observation():
    (whole,) = run(Parrot(LOOK, SAY), make_env(1), requests(1))
    (one,) = run(Parrot(LOOK, SAY), make_env(1), requests(1), limits=RolloutLimits(whole.turns[1].start - 1))
    check_trajectory(one)
    assert one.outcome is Outcome.TRUNCATED
    assert one.turns[0].observation == ""
    assert one.input_ids.tolist() == whole.input_ids[: whole.turns[0].end].tolist()


def test_an_infrastructure_failure_is_kept_unscored_and_counted():
    finished = run(Parrot(LOOK, SAY), make_env(1, PythonSandbox(failing(1))), requests(2))
    for one in finished:
        check_trajectory(one)
    assert [one.outcome for one in finished] == [Outcome.INFRA_FAILED, Outcome.ANSWERED]
    assert finished[0].reward == NO_REWARD
    assert finished[0].turns[0].action == "code"
    metrics = summarise(finished)
    assert (metrics.infra_failures, metrics.scored, metrics.accuracy) == (1, 1, 1.0)


def test_a_failed_episode_is_begun_anew_as_often_as_asked():
    finished = run(Parrot(LOOK, SAY), make_env(1, PythonSandbox(failing(1))), requests(1), infra_retries=1)
    assert [one.outcome for one in finished] == [Outcome.ANSWERED]
    finished = run(Parrot(LOOK, SAY), make_env(1, PythonSandbox(failing(2))), requests(1), infra_retries=1)
    assert [one.outcome for one in finished] == [Outcome.INFRA_FAILED]


def test_an_episode_that_could_not_be_begun_is_begun_anew_as_often_as_asked():
    def shaky(times):
        env, left = make_env(1), [times]
        begin = env.begin

        async def shaken(*place):
            left[0] -= 1
            if left[0] >= 0:
                raise RemoteError("the cluster is full")
            return await begin(*place)

        env.begin = shaken
        return env

    stats = RolloutStats()
    (one,) = run(Parrot(LOOK, SAY), shaky(1), requests(1), infra_retries=1, stats=stats)
    assert one.outcome is Outcome.ANSWERED
    assert (stats.retries, stats.failures) == (1, ["task 0 of train: the cluster is full"])
    with pytest.raises(RemoteError, match="the cluster is full"):
        run(Parrot(LOOK, SAY), shaky(2), requests(1), infra_retries=1)


def test_a_prompt_that_does_not_fit_is_an_error_and_leaves_the_env_usable():
    env = make_env(2)
    with pytest.raises(ContextFull, match="riddles/train/0"):
        list(rollout(Parrot(SAY), env, requests(2), PARAMS, limits=RolloutLimits(3)))
    assert len(run(Parrot(SAY), env, requests(2))) == 2


def test_an_error_of_the_policy_leaves_the_env_usable():
    class Broken(Parrot):
        async def generate(self, request, params):
            if request.known:
                raise MemoryError("out of memory")
            return await super().generate(request, params)

    env = make_env(2)
    with pytest.raises(MemoryError):
        list(rollout(Broken(LOOK, SAY), env, requests(4), PARAMS))
    assert len(run(Parrot(LOOK, SAY), env, requests(4))) == 4


def test_what_was_finished_before_an_error_comes_before_it():
    never = threading.Event()

    class Broken(Parrot):
        def turns_of(self, request):
            return (WAIT,) if request.conversation.startswith("riddles/train/0 ") else (SAY,)

        async def generate(self, request, params):
            if request.conversation.startswith("riddles/train/3 "):
                raise MemoryError("out of memory")
            return await super().generate(request, params)

    env, got = make_env(2, PythonSandbox(lambda code: never.wait(60))), []
    with pytest.raises(MemoryError):
        got.extend(one.lineage.prompt for one in rollout(Broken(), env, requests(9), PARAMS))
    never.set()
    env.close()
    assert got == [1, 2]


def test_what_is_finished_behind_an_error_comes_before_it():
    """The consumer is slow: an episode fails, others end meanwhile, and one while it takes those."""

    class Broken(Parrot):
        async def generate(self, request, params):
            number = int(request.conversation.split()[0].rpartition("/")[2])
            if number == 1:
                await first.wait()
                failed.set()
                raise MemoryError("out of memory")
            if number > 1:
                await (failed if number == 2 else second).wait()
                await asyncio.sleep(0.01)
            return await super().generate(request, params)

    async def collect():
        try:
            async for one in stream(PolicySpeaker(Broken(SAY), PARAMS), env, requests(4)):
                got.append(one.lineage.prompt)
                (first if len(got) == 1 else second).set()
                await asyncio.sleep(0.5)
        finally:
            env.close()

    env, got = make_env(4), []
    first, failed, second = asyncio.Event(), asyncio.Event(), asyncio.Event()
    with pytest.raises(MemoryError):
        asyncio.run(collect())
    assert got == [0, 2, 3]


def test_a_dropped_stream_leaves_the_env_usable():
    env = make_env(3)
    stream = rollout(Parrot(LOOK, SAY), env, requests(9), PARAMS)
    next(stream)
    stream.close()
    assert len(run(Parrot(LOOK, SAY), env, requests(4))) == 4


def test_a_bug_in_a_tool_is_raised_and_leaves_the_env_usable():
    def act(code):
        both_in_flight.wait(10)
        raise ZeroDivisionError("a bug, not a failure of the infrastructure")

    both_in_flight = threading.Barrier(2)
    env = make_env(2, sandbox := PythonSandbox(act))
    with pytest.raises(ZeroDivisionError):
        list(rollout(Parrot(LOOK, SAY), env, requests(4), PARAMS))
    sandbox.act = lambda code: None
    assert len(run(Parrot(LOOK, SAY), env, requests(4))) == 4


def test_ctrl_c_ends_a_rollout_at_once_and_frees_its_episodes():
    """One episode is in a tool that hangs, the other one awaits its turn."""
    waiting, never, given_up = threading.Event(), threading.Event(), []
    main = threading.main_thread().ident

    def act(code):
        waiting.wait(60)
        time.sleep(0.1)  # until the event loop sleeps
        signal.pthread_kill(main, signal.SIGINT)
        never.wait(60)

    class Slow(Parrot):
        async def generate(self, request, params):
            if request.conversation.startswith("riddles/train/0 "):
                return await super().generate(request, params)
            try:
                waiting.set()
                await asyncio.sleep(60)
            finally:
                given_up.append(request.seed)

    env = make_env(2, sandbox := PythonSandbox(act))
    with pytest.raises(KeyboardInterrupt):
        list(rollout(Slow(LOOK, SAY), env, requests(4), PARAMS))
    assert len(given_up) == 1
    assert not env._runners
    never.set()
    sandbox.act = lambda code: None
    assert len(run(Parrot(LOOK, SAY), env, requests(4))) == 4


def test_a_turn_that_others_cancel_does_not_leave_the_consumer_waiting():
    class Cancelled(Parrot):
        async def generate(self, request, params):
            raise asyncio.CancelledError

    async def collect():
        return [one async for one in stream(PolicySpeaker(Cancelled(), PARAMS), env, requests(2))]

    env = make_env(1)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(asyncio.wait_for(collect(), 10))
    env.close()


# --- Budgets of wall time ----------------------------------------------------------------------------------


def test_a_tool_that_hangs_is_a_failure_of_the_infrastructure_and_holds_nobody_up():
    never = threading.Event()

    def act(code):
        assert "wait()" not in code or never.wait(60)

    class Hanging(Parrot):
        def turns_of(self, request):
            return (WAIT, SAY) if request.conversation.startswith("riddles/train/1 ") else (LOOK, SAY)

    stats = RolloutStats()
    env = make_env(2, PythonSandbox(act))
    finished = run(Hanging(), env, requests(6), limits=RolloutLimits(tool_seconds=0.3), stats=stats)
    never.set()
    outcomes = [one.outcome for one in finished]
    assert outcomes == [Outcome.INFRA_FAILED if n == 1 else Outcome.ANSWERED for n in range(6)]
    assert [turn.action for turn in finished[1].turns] == ["code"]
    check_trajectory(finished[1])
    assert "riddles/train/1" in stats.failures[0]


def test_an_episode_that_takes_too_long_in_a_tool_is_truncated():
    never = threading.Event()
    env = make_env(1, PythonSandbox(lambda code: never.wait(60)))
    (one,) = run(Parrot(LOOK, SAY), env, requests(1), limits=RolloutLimits(episode_seconds=0.2))
    never.set()
    assert one.outcome is Outcome.TRUNCATED
    assert [turn.action for turn in one.turns] == ["code"]
    assert one.reward == NO_REWARD


def test_an_episode_that_takes_too_long_in_generation_is_truncated_and_the_request_given_up():
    cancelled = []

    class Slow(Parrot):
        async def generate(self, request, params):
            if not request.known:
                return await super().generate(request, params)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(request.seed)
                raise

    (one,) = run(Slow(LOOK), make_env(1), requests(1), limits=RolloutLimits(episode_seconds=0.5))
    assert one.outcome is Outcome.TRUNCATED
    assert len(one.turns) == 1
    assert one.turns[0].observation
    check_trajectory(one)
    assert len(cancelled) == 1


def test_a_policy_whose_server_dies_is_a_failure_of_the_infrastructure():
    class Dying(Parrot):
        failures = 1

        async def generate(self, request, params):
            if request.known and self.failures:
                self.failures -= 1
                raise PolicyError("the server is gone")
            return await super().generate(request, params)

    (one,) = run(Dying(LOOK, SAY), make_env(1), requests(1))
    assert one.outcome is Outcome.INFRA_FAILED
    (one,) = run(Dying(LOOK, SAY), make_env(1), requests(1), infra_retries=1)
    assert one.outcome is Outcome.ANSWERED
