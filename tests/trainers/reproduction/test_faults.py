from __future__ import annotations

import pytest

from agents.scripted import demonstrate_many
from agents.speaker import RolloutRequest
from agents.tiny import build_tokenizer
from agents.trajectory import SeedLineage
from agents.vocabulary import Vocabulary
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.outcome import Outcome
from deepeyes_env.sandbox import open_sandbox
from trainers.reproduction.corpus import microcosm_corpus
from trainers.reproduction.faults import BlamingEnv, FaultySandbox
from trainers.reproduction.settings import ENV
from trainers.reproduction.tasks import MicrocosmTasks
from trainers.reproduction.teachers import eager

EPISODES = 60


@pytest.mark.parametrize(
    ("kind", "failed"), [(DeepEyesAsyncEnv, Outcome.INFRA_FAILED), (BlamingEnv, Outcome.TRUNCATED)]
)
def test_cells_fail_at_the_rate_and_are_masked_or_blamed(kind, failed):
    vocabulary = Vocabulary(build_tokenizer(microcosm_corpus()))
    sandbox = FaultySandbox(open_sandbox(ENV.sandbox_backend, ENV.limits), 0.3)
    requests = [RolloutRequest(i, "train", SeedLineage(0, prompt=i)) for i in range(EPISODES)]
    env = kind(16, ENV, tasks=MicrocosmTasks(0, ["card-sum"]), sandbox=sandbox)
    outcomes = [one.outcome for one in demonstrate_many(env, vocabulary, requests, eager)]
    again = [one.outcome for one in demonstrate_many(env, vocabulary, requests, eager)]
    env.close()
    sandbox.close()
    assert set(outcomes) == {failed, Outcome.ANSWERED}
    assert 0.15 < outcomes.count(failed) / EPISODES < 0.45
    assert outcomes == again
