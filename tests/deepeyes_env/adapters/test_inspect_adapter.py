"""The environment as a task of Inspect AI, under Inspect itself."""

import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def test_episodes_through_inspect_are_the_environments_own(plugin, tmp_path):
    assert "conforms" in plugin("inspect").run(HERE / "inspect_conformance.py", tmp_path)


def test_what_inspect_is_told_beside(plugin, tmp_path):
    assert "ok the_task_is_found_by_its_file" in plugin("inspect").run(
        HERE / "inspect_behaviour.py", tmp_path
    )


def test_the_installed_task_is_found_by_its_name(plugin, tmp_path):
    """An entry point works only for what is installed, which a checkout is not: this looks like a wheel."""
    packages = tmp_path / "site-packages"
    info = packages / "deepeyes_gym-0.1.0.dist-info"
    info.mkdir(parents=True)
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["inspect_ai"]
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[inspect_ai]", *lines]))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deepeyes-gym\nVersion: 0.1.0\n")
    (packages / "deepeyes_env").symlink_to(ROOT / "deepeyes_env")
    said = plugin("inspect").run(
        HERE / "inspect_installed.py", tmp_path / "logs", cwd=tmp_path, PYTHONPATH=str(packages)
    )
    assert "1 sample" in said


def test_the_documented_example(plugin, documented, tmp_path):
    example = tmp_path / "example.py"
    example.write_text(documented("Inspect"))
    assert "accuracy" in plugin("inspect").run(example, cwd=tmp_path)
