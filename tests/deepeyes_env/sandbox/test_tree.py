"""What a guest sees of the host, as a list of views."""

import os
import sys
from pathlib import Path

import pytest

from deepeyes_env.sandbox.base import SandboxUnavailableError
from deepeyes_env.sandbox.local import tree
from deepeyes_env.sandbox.local.guest.layers import LAYERS, Level


@pytest.fixture
def library_below_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site-packages, as of a virtual environment below /tmp, with one library."""
    (tmp_path / "few.py").write_text("", encoding="ascii")
    info = tmp_path / "few-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: few\nVersion: 1\n", encoding="ascii")
    (info / "RECORD").write_text("few.py,,\nfew-1.dist-info/METADATA,,\n../../bin/few,,\n", encoding="ascii")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_libraries_stand_where_the_guests_own_tmp_does_not_hide_them(library_below_tmp: Path):
    distributions = tree.closure(["few", "numpy"])
    site = tree.site_directories(distributions)
    views = dict(map(tuple, tree.tree(distributions, LAYERS[Level.FULL]).binds))
    assert list(site) == sorted(site, key=sys.path.index)
    assert views[f"{library_below_tmp}/few.py"] == f"{site[str(library_below_tmp)]}/few.py"
    assert not any(target.startswith("/tmp/") for target in views.values())
    assert not any(source.endswith("bin/few") for source in views)


def test_libraries_of_a_virtual_environment_do_not_tell_where_it_stands(library_below_tmp: Path):
    site = tree.site_directories(tree.closure(["few"]))
    assert site == {str(library_below_tmp): "/opt/0/site-packages"}


def test_libraries_inside_the_interpreters_prefix_stay_where_they_find_its_own(
    library_below_tmp: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "base_prefix", str(library_below_tmp.parent))
    site = tree.site_directories(tree.closure(["few"]))
    assert site == {str(library_below_tmp): str(library_below_tmp)}


def test_an_interpreter_below_tmp_is_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    if not str(tmp_path).startswith("/tmp/"):
        pytest.skip("the temporary directory of this machine is not below /tmp")
    with pytest.raises(SandboxUnavailableError, match="below /tmp"):
        tree.tree([], LAYERS[Level.FULL])


def test_without_a_root_of_its_own_the_same_things_are_read_where_they_lie(library_below_tmp: Path):
    (library_below_tmp / "other.py").write_text("", encoding="ascii")
    chosen = tree.tree(tree.closure(["few"]), LAYERS[Level.NO_NAMESPACES])
    few = {path for path in chosen.confined if path.startswith(f"{library_below_tmp}/")}
    assert few == {f"{library_below_tmp}/few.py", f"{library_below_tmp}/few-1.dist-info"}
    assert str(library_below_tmp) in chosen.listed
    hidden = set(chosen.covers)
    assert not hidden & set(chosen.confined)
    assert not any(cover.startswith(f"{path}/") for path in chosen.confined for cover in hidden)
    assert os.__file__ in chosen.confined or os.path.dirname(os.__file__) in chosen.confined


def test_a_missing_library_is_named():
    with pytest.raises(SandboxUnavailableError, match="pip install no-such-library"):
        tree.closure(["no-such-library"])
