"""Without Ray; with it the benchmark is run in `tests/deepeyes_env/adapters/test_ray_adapter.py`."""

import sys

from benchmarks.speed.env_ray import RayBenchOptions, measure_ray


def test_without_ray_the_figures_say_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    measured = measure_ray(RayBenchOptions(nodes=(1, 2)))
    assert [target.met for target in measured.targets] == [None]
    assert [row.contender for row in measured.figures] == ["1 node", "2 nodes"]
    assert all(row.note == "not installed: pip install 'deepeyes-gym[ray]'" for row in measured.figures)
