"""OpenEnv serves the environment, and its client plays there."""

from pathlib import Path


def test_under_openenv(plugin) -> None:
    checks = Path(__file__).with_name("openenv_conformance.py")
    plugin("openenv").run("-m", "pytest", "-p", "no:cacheprovider", checks)
