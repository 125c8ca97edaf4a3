"""SkyRL's generators play the environment and make a trainer's input of it."""

from pathlib import Path


def test_under_skyrl(plugin) -> None:
    checks = Path(__file__).with_name("skyrl_conformance.py")
    plugin("skyrl").run("-m", "pytest", "-p", "no:cacheprovider", checks)
