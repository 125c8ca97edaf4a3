"""New weights for a policy, from one process or many."""

from __future__ import annotations

from agents.event_loop import run as run_in_loop
from agents.policy import Policy, SharedPolicy
from deepeyes_env.errors import ConfigError
from trainers.distributed.engine import Engine
from trainers.lora import for_policy, plain


def hand_over(engine: Engine, policy: Policy) -> None:
    """Have `policy` sample with the engine's weights from here on; every process has to call it.

    Of a policy that all processes share only the first one hands the weights over.
    """
    if not isinstance(policy, SharedPolicy):
        with for_policy(policy, engine.plain):
            run_in_loop(policy.update_weights(engine.plain))
        return
    whole = engine.whole()
    with engine.ranks.together("handing the weights over"):
        if engine.ranks.first:
            with plain(whole):
                run_in_loop(policy.update_weights(whole))
    with engine.ranks.together("looking for new weights"):
        if not engine.ranks.first:
            run_in_loop(policy.adopt_weights())


def require_whole_model(engine: Engine, policy: Policy) -> None:
    """Refuse a policy that would need all weights in a process that has only a part.

    Raises:
        ConfigError: The model is sharded, and the policy is not on servers.
    """
    if engine.sharded and not isinstance(policy, SharedPolicy):
        raise ConfigError(
            f"policy = {type(policy).__name__}: it samples in this process, which has only a part of the "
            f"{engine.layout} model; start vLLM servers (`deepeyes serve vllm`) and sample with "
            "--backend vllm --urls ADDRESS ..."
        )
