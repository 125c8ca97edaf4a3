"""Every attack fails against the real sandbox and against each single wall, and succeeds where there is none.

The attacks are in `attacks_on_*.py`, what they are after in `scene.py`. Everything runs in child processes.
"""

from collections.abc import Iterator

import pytest
from attack import ORDINARY, PLACES, ROOT, Attack, Place, Wall, arenas, controls
from other_users import DOCKER
from places import here, identity, let
from tables import ATTACKS

from deepeyes_env.sandbox.local.guest.layers import LAYERS, Level


def _real(place: Place) -> list[str]:
    return [attack.name for attack in ATTACKS if not attack.succeeds_at(place)]


@pytest.mark.parametrize("place", here(), ids=identity)
def test_every_attack_fails_and_host_sibling_and_zygote_still_work(place: Place) -> None:
    let("fail", _real(place), place, None)


@pytest.mark.parametrize("user", ["docker's root", "nobody"])
def test_every_attack_fails_where_dockers_profile_refuses_namespaces(user: str) -> None:
    place = (Level.NO_NAMESPACES, ORDINARY if user == "nobody" else ROOT)
    let("fail", _real(place), place, None, user=user, refuse=DOCKER)


def _single_walls() -> Iterator[object]:
    for place in here():
        for standing, attacks in arenas(ATTACKS, place):
            names = ", ".join(sorted(standing)) or "nothing"
            yield pytest.param(place, standing, attacks, id=f"{identity(place)}-{names}")


@pytest.mark.parametrize(("place", "standing", "attacks"), list(_single_walls()))
def test_each_wall_holds_alone(place: Place, standing: Wall, attacks: list[Attack]) -> None:
    let("fail", [attack.name for attack in attacks], place, standing)


def _no_walls() -> Iterator[object]:
    for place in here():
        for standing, attacks in controls(ATTACKS, place):
            names = ", ".join(sorted(standing)) or "nothing"
            yield pytest.param(place, standing, attacks, id=f"{identity(place)}-{names}")


@pytest.mark.parametrize(("place", "standing", "attacks"), list(_no_walls()))
def test_with_no_wall_the_attack_succeeds(place: Place, standing: Wall, attacks: list[Attack]) -> None:
    let("succeed", [attack.name for attack in attacks], place, standing)


@pytest.mark.parametrize("place", here(), ids=identity)
def test_the_gaps_are_the_known_ones(place: Place) -> None:
    gaps = [attack.name for attack in ATTACKS if attack.succeeds_at(place)]
    let("succeed", gaps, place, LAYERS[place[0]])


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_has_two_walls_everywhere_or_a_reason(attack: Attack) -> None:
    fewer = [place for place in PLACES if len(attack.walls_at(place)) < 2 and place not in attack.untried]
    assert bool(fewer and not attack.inside) == bool(attack.single), fewer
    assert bool(attack.untried) == bool(attack.because)
    assert not (attack.inside and attack.walls)


def test_names_are_different() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
