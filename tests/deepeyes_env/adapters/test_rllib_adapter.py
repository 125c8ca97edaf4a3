"""RLlib plays our episodes as they are, and its section of the documentation runs."""

from pathlib import Path

HERE = Path(__file__).parent


def test_the_kit_passes(plugin, tmp_path: Path) -> None:
    assert "all right" in plugin("rllib").run(HERE / "rllib_conformance.py", cwd=tmp_path)


def test_the_documented_example_runs(plugin, documented, tmp_path: Path) -> None:
    plugin("rllib").run("-c", documented("RLlib"), cwd=tmp_path)
