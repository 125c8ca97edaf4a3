import random

import pytest
from actors import LOOK, SAY, lineages, make_env
from talk import vocabulary

from agents.scripted import ScriptError, demonstrate_many
from agents.speaker import RolloutRequest
from agents.trajectory import SeedLineage, check_trajectory
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.outcome import Outcome
from deepeyes_env.tasks import WorldConfig
from deepeyes_env.tasks.worlds import FICTIONAL


def requests(count):
    return [RolloutRequest(number, "train", lineage) for number, lineage in enumerate(lineages(count))]


def looks_then_says(task, lineage):
    observation = yield LOOK
    yield SAY if "7" in observation.text else SAY.replace("7", "unknown")


def sometimes_blind(task, lineage):
    """An imperfect teacher: half of its episodes guess."""
    if random.Random(lineage.prompt).random() < 0.5:
        yield SAY.replace("7", "3")
    else:
        yield from looks_then_says(task, lineage)


def demonstrate(env, request, *program):
    [one] = demonstrate_many(env, vocabulary(), [request], *program)
    return one


@pytest.fixture
def env():
    env = make_env(3)
    yield env
    env.close()


def test_a_script_becomes_a_trajectory_to_learn_from(env):
    one = demonstrate(env, RolloutRequest(3), looks_then_says)
    check_trajectory(one)
    assert one.outcome is Outcome.ANSWERED
    assert one.reward.total == 1.0
    assert [turn.action for turn in one.turns] == ["code", "answer"]
    assert not one.logprobs.any()
    assert one.versions["policy"] == "scripted:looks_then_says"
    spoken = vocabulary().decode(one.input_ids[one.loss_mask].tolist())
    assert spoken == LOOK + SAY.removeprefix("<think>")


def test_many_scripts_at_once_give_the_same_as_one_by_one(env):
    wanted = requests(7)
    together = list(demonstrate_many(env, vocabulary(), wanted, sometimes_blind))
    alone = [demonstrate(env, request, sometimes_blind) for request in wanted]
    assert [one.input_ids.tolist() for one in together] == [one.input_ids.tolist() for one in alone]
    assert {one.reward.accuracy for one in together} == {0.0, 1.0}


def test_a_script_that_stops_too_early_is_named(env):
    def gives_up(task, lineage):
        yield LOOK

    with pytest.raises(ScriptError, match="riddles/train/2"):
        demonstrate(env, RolloutRequest(2), gives_up)
    assert demonstrate(env, RolloutRequest(2), looks_then_says).outcome is Outcome.ANSWERED


@pytest.mark.parametrize("family", FICTIONAL)
def test_the_oracle_of_every_family_demonstrates_it_with_the_real_tools(family):
    env = DeepEyesAsyncEnv(2, source=WorldConfig(families=(family,)))
    try:
        for one in demonstrate_many(env, vocabulary(), requests(2)):
            check_trajectory(one)
            assert (one.outcome, one.reward.accuracy, one.reward.format) == (Outcome.ANSWERED, 1.0, 1.0)
            assert all(turn.tool_ok is not False for turn in one.turns)
    finally:
        env.close()


def test_a_task_without_a_family_has_no_oracle(env):
    with pytest.raises(ValueError, match="riddles"):
        demonstrate(env, RolloutRequest(0, lineage=SeedLineage(1)))
