"""The sandbox on this machine."""

from deepeyes_env.sandbox.local.client import LocalSandbox
from deepeyes_env.sandbox.local.guest.layers import Level
from deepeyes_env.sandbox.local.levels import SandboxLevelWarning
from deepeyes_env.sandbox.local.session import LocalSession

__all__ = ["Level", "LocalSandbox", "LocalSession", "SandboxLevelWarning"]
