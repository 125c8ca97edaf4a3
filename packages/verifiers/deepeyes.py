"""DeepEyes by the name that verifiers finds it by: `vf-eval deepeyes`."""

from deepeyes_env.adapters.verifiers import DeepEyesEnv, DeepEyesHarness, DeepEyesTaskset

__all__ = ["DeepEyesEnv", "DeepEyesHarness", "DeepEyesTaskset"]
