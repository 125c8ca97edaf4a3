"""Without Ray; with it the benchmark is run in `tests/deepeyes_env/adapters/test_ray_adapter.py`."""

import sys

from benchmarks.speed.env_ray import NOT_INSTALLED, RayBenchOptions, main, measure_ray


def test_without_ray_the_figures_say_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    measured = measure_ray(RayBenchOptions(nodes=(1, 2)))
    assert [target.met for target in measured.targets] == [None]
    assert [row.contender for row in measured.figures] == ["1 node", "2 nodes"]
    assert all(row.note == NOT_INSTALLED for row in measured.figures)


def test_the_table_takes_the_extra_for_no_markup(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("COLUMNS", "200")
    main([])
    assert "not installed: pip install 'deepeyes-gym[ray]'" in capsys.readouterr().out
