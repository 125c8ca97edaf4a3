from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.suites import SUITES, find_suite, open_suite
from deepeyes_env.errors import ConfigError
from deepeyes_env.search.wrappers.blocklist import BENCHMARK_DATA


@pytest.mark.parametrize("name", sorted(SUITES))
def test_a_name_is_its_suites(name: str) -> None:
    assert find_suite(name).card.name == name


@pytest.mark.parametrize("name", sorted(SUITES))
def test_no_search_finds_the_rows_of_a_suite(name: str) -> None:
    assert {release.hub for release in find_suite(name).card.releases} - {""} <= set(BENCHMARK_DATA)


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'vstar'"):
        open_suite("vstarr")


def test_the_registry_imports_no_suite_and_no_library() -> None:
    code = (
        "import sys, benchmarks.suites; heavy = ('datasets', 'pyarrow', 'benchmarks.suites.vstar'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
