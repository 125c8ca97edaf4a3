"""The environment in TRL's `GRPOTrainer`."""

from trl_driver import TrlDriver

from deepeyes_env.testing import check_adapter


def test_rollouts_pass_the_conformance_kit():
    check_adapter(TrlDriver())
