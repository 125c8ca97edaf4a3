"""What must hold around the cells: lifecycle, layers as the host sees them, what flows between sessions."""

import importlib

import pytest
from attack import Place
from places import ask, here, identity


@pytest.mark.parametrize("module", ["lifecycle", "isolation"])
@pytest.mark.parametrize("place", here(), ids=identity)
def test_it_holds(place: Place, module: str) -> None:
    answer = ask(place, "checks:main", {"module": module, "level": place[0].value})
    problems = answer["problems"]
    assert isinstance(problems, dict)
    if problems:
        pytest.fail("\n".join(f"{name}: {text}" for name, text in problems.items()), pytrace=False)
    assert answer["held"] == [check.__name__ for check in importlib.import_module(module).CHECKS]
