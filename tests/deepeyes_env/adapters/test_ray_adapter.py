"""Episodes on a Ray cluster: the kit, and what happens when nodes die; both under Ray's own interpreter."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepeyes_env.adapters.ray import RayConfig
from deepeyes_env.adapters.ray.kept import Kept
from deepeyes_env.adapters.ray.scaling import actors_wanted
from deepeyes_env.config import ConfigError, load_config

HERE = Path(__file__).resolve().parent
PATHS = f"{HERE.parents[2]}:{HERE}"
"""Actors find the tests' own tasks and sandboxes on it."""

ENVIRONMENT = {"PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1"}

PATIENCE = 600
"""Seconds: a cluster is some twenty processes, which take minutes to start on processors that are busy."""

COUNTS = st.integers(0, 200)


@pytest.mark.timeout(PATIENCE)
def test_the_kit_the_example_and_rollouts(plugin, documented, tmp_path):
    example = tmp_path / "example.py"
    example.write_text(documented("Ray"))
    assert "conforms" in plugin("ray").run(
        HERE / "ray_conformance.py", example, tmp_path, timeout=PATIENCE, **ENVIRONMENT
    )


def test_actors_that_do_not_start_and_waiting_that_is_in_vain(plugin):
    checks = ("-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", HERE / "ray_pool.py")
    assert "15 passed" in plugin("ray").run(*checks, **ENVIRONMENT)


@pytest.mark.timeout(PATIENCE)
def test_dead_nodes_limits_and_new_nodes(plugin):
    said = plugin("ray").run(
        *("-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"),
        HERE / "ray_failures.py",
        timeout=PATIENCE,
        **ENVIRONMENT,
    )
    assert "9 passed" in said


def test_episodes_grow_with_nodes(plugin, tmp_path):
    written = tmp_path / "scaling.json"
    sizes = ("--nodes", "1", "2", "--slots", "2", "--episodes", "1", "--rounds", "1")
    bench = ("-m", "deepeyes_env.cli", "bench", "env-ray", *sizes, "--latency", "20", "--output", written)
    assert "2 nodes / 1 node" in plugin("ray").run(*bench, **ENVIRONMENT)
    figures = json.loads(written.read_text())["figures"]
    assert {"1 node", "2 nodes"} <= {row["contender"] for row in figures if row["p50"] > 0}


@given(episodes=COUNTS, slots=st.integers(1, 20), fewest=st.integers(0, 5), more=COUNTS)
def test_there_are_as_many_actors_as_episodes_fill(episodes, slots, fewest, more):
    most = fewest + more
    wanted = actors_wanted(episodes, slots, fewest, most)
    assert fewest <= wanted <= most
    assert wanted == most or wanted * slots >= episodes
    assert wanted == fewest or (wanted - 1) * slots < episodes


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), unique_by=lambda pair: pair[0]))
def test_what_is_kept_fits_and_the_latest_is_kept_first(values):
    kept: Kept[int] = Kept(100)
    for name, size in values:
        kept.put(str(name), size, size)
    found = [(name, size) for name, size in values if kept.get(str(name)) is not None]
    assert sum(size for _, size in found) <= 100
    assert found == values[len(values) - len(found) :]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"slots": 0}, "slots = 0: must be at least 1"),
        ({"max_actors": 1, "min_actors": 2}, "max_actors = 1: must be at least 2"),
        ({"wait_seconds": 0}, "wait_seconds = 0.0: must be above 0"),
        ({"slot": 2}, "did you mean 'slots'"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings, said):
    with pytest.raises(ConfigError, match=said):
        load_config(RayConfig, settings)


def test_without_ray_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in [name for name in sys.modules if name.startswith("deepeyes_env.adapters.ray.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=r"pip install 'deepeyes-gym\[ray\]'"):
        from deepeyes_env.adapters.ray import RayVectorEnv  # noqa: F401
