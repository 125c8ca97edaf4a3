"""Episodes without a reward, in frameworks that know no failure of the infrastructure as an outcome."""

from __future__ import annotations

from collections.abc import Sequence

from deepeyes_env.outcome import Outcome
from deepeyes_env.runner import StepResult


class EpisodeFailed(RuntimeError):
    """Sandbox, search or judge failed: the episode is over without a reward. Run it again or leave it out."""


def scored(result: StepResult, failures: Sequence[str]) -> StepResult:
    """The result, unless the infrastructure failed.

    Args:
        result: What a turn led to.
        failures: Why the infrastructure failed, the last reason last.

    Raises:
        EpisodeFailed: It failed; a reward of 0 would say that the policy did.
    """
    if result.info.get("outcome") == Outcome.INFRA_FAILED:
        raise EpisodeFailed(f"the episode has no reward: {failures[-1] if failures else 'unknown reason'}")
    return result
