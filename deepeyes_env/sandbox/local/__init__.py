"""The sandbox on this machine."""

from deepeyes_env.sandbox.local.client import LocalSandbox
from deepeyes_env.sandbox.local.session import LocalSession

__all__ = ["LocalSandbox", "LocalSession"]
