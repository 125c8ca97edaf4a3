"""Stable-Baselines3 plays our episodes as they are, and its section of the documentation runs."""

from pathlib import Path

HERE = Path(__file__).parent


def test_the_kit_passes(plugin, tmp_path: Path) -> None:
    assert "all right" in plugin("sb3").run(HERE / "sb3_conformance.py", cwd=tmp_path)


def test_the_examples_rates_are_of_what_was_scored(plugin, tmp_path: Path) -> None:
    examples = f"{HERE.parents[2]}:{HERE.parents[2] / 'examples'}"
    assert "all right" in plugin("sb3").run(HERE / "sb3_failures.py", cwd=tmp_path, PYTHONPATH=examples)


def test_the_documented_example_runs(plugin, documented, tmp_path: Path) -> None:
    plugin("sb3").run("-c", documented("Stable-Baselines3"), cwd=tmp_path)


def test_the_example_runs(plugin, tmp_path: Path) -> None:
    example = HERE.parents[2] / "examples" / "ppo_sb3.py"
    small = ["--total-steps", "96", "--num-envs", "4", "--num-steps", "12", "--test-episodes", "4", "--curve"]
    shown = plugin("sb3").run(example, *small, tmp_path / "curve.svg", cwd=tmp_path)
    assert "learned" in shown
    assert (tmp_path / "curve.svg").stat().st_size > 5_000
