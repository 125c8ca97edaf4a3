import threading

import numpy as np
import pytest
from actors import LOOK, SAY, WAIT, Parrot, PythonSandbox, failing, lineages, make_env
from hypothesis import given
from hypothesis import strategies as st
from talk import tiny, vocabulary

from agents.metrics import summarise
from agents.policy import SamplingParams
from agents.rollout import (
    RolloutRequest,
    drive,
    group_requests,
    in_order,
    rollout,
    session_seed,
    turn_seed,
)
from agents.trajectory import SeedLineage, check_trajectory
from agents.transcript import ContextFull
from agents.transformers_policy import TransformersPolicy
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import NO_REWARD

PARAMS = SamplingParams(max_tokens=12)


def requests(count):
    return [RolloutRequest(number, "train", lineage) for number, lineage in enumerate(lineages(count))]


def run(policy, env, wanted, **options):
    try:
        return list(rollout(policy, env, wanted, PARAMS, vocabulary=vocabulary(), **options))
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
    few, many = (in_order(run(policy, make_env(slots), wanted), wanted) for slots in (1, 4))
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


def test_in_order_restores_the_order_of_requests():
    wanted = requests(4)
    finished = run(Parrot(SAY), make_env(2), wanted)
    assert [one.lineage for one in in_order(finished[::-1], wanted)] == lineages(4)
    with pytest.raises(ValueError, match="1 of 4 are missing"):
        in_order(finished[:3], wanted)
    with pytest.raises(ValueError, match="share a lineage"):
        in_order(finished, [wanted[0], wanted[0]])


# --- Streaming ---------------------------------------------------------------------------------------------


def test_a_slow_tool_holds_up_its_own_episode_only():
    opened = threading.Event()

    def act(code):
        # Everybody else must be able to finish while this cell runs: the test opens the gate only then.
        assert "wait()" not in code or opened.wait(60), "the other episodes waited for this tool"

    def speak(batch):
        slow = [one.request.index == 0 and not one.transcript.turns for one in batch]
        return [
            one.transcript.append_text(WAIT if waits else LOOK if not one.transcript.turns else SAY)
            for one, waits in zip(batch, slow, strict=True)
        ]

    env = make_env(3, PythonSandbox(act))
    stream = drive(env, requests(7), speak, vocabulary=vocabulary())
    others = [next(stream).lineage.prompt for _ in range(6)]
    opened.set()
    (slow,) = stream
    env.close()
    assert sorted(others) == [1, 2, 3, 4, 5, 6]
    assert slow.lineage.prompt == 0
    assert slow.turns[0].tool_ok is True


def test_lockstep_makes_the_batches_independent_of_the_clock():
    policy = Parrot(LOOK, LOOK, SAY)
    finished = run(policy, make_env(3), requests(5), lockstep=True)
    assert policy.batches == [3, 3, 3, 2, 2, 2]
    assert [one.lineage.prompt for one in finished] == [0, 1, 2, 3, 4]


def test_slots_are_refilled():
    finished = run(Parrot(LOOK, SAY), make_env(2), requests(9))
    assert sorted(one.lineage.prompt for one in finished) == list(range(9))


def test_requests_are_taken_when_a_slot_is_free():
    taken = []

    def endless():
        for request in requests(100):
            taken.append(request.index)
            yield request

    env = make_env(2)
    stream = rollout(Parrot(SAY), env, endless(), PARAMS, vocabulary=vocabulary(), lockstep=True)
    next(stream)
    assert taken == [0, 1]
    stream.close()
    env.close()


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
    (one,) = run(Parrot(LOOK, SAY), make_env(1), requests(1), max_tokens=whole.turns[1].start - 1)
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


def test_a_prompt_that_does_not_fit_is_an_error_and_leaves_the_env_usable():
    env = make_env(2)
    with pytest.raises(ContextFull, match="riddles/train/0"):
        list(rollout(Parrot(SAY), env, requests(2), PARAMS, vocabulary=vocabulary(), max_tokens=3))
    assert len(run(Parrot(SAY), env, requests(2))) == 2


def test_an_error_of_the_policy_leaves_the_env_usable():
    class Broken(Parrot):
        def generate(self, requests, params):
            if len(self.batches) == 1:
                raise MemoryError("out of memory")
            return super().generate(requests, params)

    env = make_env(2)
    with pytest.raises(MemoryError):
        list(rollout(Broken(LOOK, SAY), env, requests(4), PARAMS, vocabulary=vocabulary()))
    assert len(run(Parrot(LOOK, SAY), env, requests(4))) == 4


def test_a_dropped_stream_leaves_the_env_usable():
    env = make_env(3)
    stream = rollout(Parrot(LOOK, SAY), env, requests(9), PARAMS, vocabulary=vocabulary())
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
        list(rollout(Parrot(LOOK, SAY), env, requests(4), PARAMS, vocabulary=vocabulary()))
    sandbox.act = lambda code: None
    assert len(run(Parrot(LOOK, SAY), env, requests(4))) == 4
