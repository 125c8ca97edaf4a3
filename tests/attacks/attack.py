"""What an attack is: a hostile cell, and the walls each of which stops it alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local.guest.layers import LAYERS, Layer, Level

Wall = frozenset[Layer]
"""Layers that together stop something."""

SCAFFOLD = frozenset(
    {
        Layer.USER_NAMESPACE,
        Layer.MOUNT_NAMESPACE,
        Layer.NO_NEW_PRIVILEGES,
        Layer.PRIVATE_DIRECTORY,
        Layer.PARENT_DEATH_SIGNAL,
        Layer.FIRST_TO_DIE,
    }
)
"""What stands in every sandbox here, also in the controls: the first four carry other layers, and the last
two see to it that an attack that succeeds dies with its test and costs the machine nothing."""

ANYTHING = "anything"

ORDINARY = "an ordinary user"
ROOT = "root"
Place = tuple[Level, str]
"""A level, and whether `ROOT` or an `ORDINARY` user runs the sandbox."""

PLACES: tuple[Place, ...] = tuple((level, user) for level in Level for user in (ROOT, ORDINARY))


@dataclass(frozen=True, slots=True)
class Attack:
    """A cell that does what no cell shall do.

    Attributes:
        name: What it does.
        cases: Its numbers in the list of required cases (`test_cases.py`).
        code: The cell. It calls `breach(...)` when it has succeeded, or does harm that `Arena` sees. It finds
            `host`, `call` and `room`, see `arena.PRELUDE`.
        walls: What stops it. Each must hold with no other layer in place.
        ground: What must stand for the attack to make sense, in its control too.
        single: Why there is a place with fewer than two walls, and what that means.
        untried: Places where it cannot succeed even with no wall, because of the scaffold or the kernel.
        because: Why.
        ends: How the cell may end.
        then: What the cell after it prints, where that matters; `ANYTHING` for a session that may be of no
            more use to anybody.
        prints: What the attack itself prints, where that matters.
        inside: What guards against it where that is no layer but the code of the host or of the guest. Such
            attacks have their control in the test that is named.
        setup: A cell that runs before, and must succeed.
        seconds: The deadline of the cell.
        partly: Why not every attempt of `each` can succeed in the control.
        optional: Whether it is about something that a machine may not have: where it fails outside of every
            sandbox too, there is no control, and the test warns of that.
    """

    name: str
    cases: tuple[int, ...]
    code: str
    walls: tuple[Wall, ...] = ()
    ground: Wall = frozenset()
    single: str = ""
    untried: frozenset[Place] = frozenset()
    because: str = ""
    ends: frozenset[CellStatus] = field(default=frozenset({CellStatus.OK, CellStatus.EXCEPTION}))
    then: str | None = None
    prints: str | None = None
    inside: str = ""
    setup: str = ""
    seconds: float = 20.0
    optional: bool = False
    partly: str = ""

    def walls_at(self, place: Place) -> list[Wall]:
        """What stops it at a place; empty where nothing does, which `single` must explain."""
        level, user = place
        return [
            wall for wall in self.walls if wall <= LAYERS[level] and (user == ROOT or not _needs_root(wall))
        ]

    def ground_at(self, level: Level) -> Wall:
        """Its ground, as far as the level has it."""
        return self.ground & LAYERS[level]

    def succeeds_at(self, place: Place) -> bool:
        """Whether nothing stops it there, as `single` must explain."""
        return not (self.walls_at(place) or self.inside or place in self.untried)


def _needs_root(wall: Wall) -> bool:
    """An ordinary user's guests are the same user as he, unless a namespace makes them someone else."""
    return Layer.UNPRIVILEGED_USER in wall and Layer.GUEST_USER_NAMESPACE not in wall


def wall(*layers: Layer) -> Wall:
    """Layers that together stop something."""
    return frozenset(layers)


def arenas(attacks: tuple[Attack, ...], place: Place) -> Iterator[tuple[Wall, list[Attack]]]:
    """The sandboxes with one wall only that a place needs, and which attacks each must stop."""
    grouped: dict[Wall, list[Attack]] = {}
    for attack in attacks:
        if place in attack.untried:
            continue
        for standing in attack.walls_at(place):
            grouped.setdefault(standing | attack.ground_at(place[0]), []).append(attack)
    yield from sorted(grouped.items(), key=lambda item: sorted(item[0]))


def controls(attacks: tuple[Attack, ...], place: Place) -> Iterator[tuple[Wall, list[Attack]]]:
    """The sandboxes with no wall that a place needs, and which attacks must succeed in each."""
    grouped: dict[Wall, list[Attack]] = {}
    for attack in attacks:
        if attack.walls_at(place) and place not in attack.untried:
            grouped.setdefault(attack.ground_at(place[0]), []).append(attack)
    yield from sorted(grouped.items(), key=lambda item: sorted(item[0]))


FILES_BY_LANDLOCK = wall(Layer.LANDLOCK_FILES)
FILTER = wall(Layer.SECCOMP)
OWN_ROOT = wall(Layer.OWN_ROOT)
READ_ONLY = wall(Layer.OWN_ROOT, Layer.READ_ONLY_MOUNTS)
USER = wall(Layer.UNPRIVILEGED_USER)
"""Root's guests are another user than root, at both levels."""
USER_OF_ITS_OWN = wall(Layer.UNPRIVILEGED_USER, Layer.PRIVATE_DIRECTORY)
"""Where there are no namespaces, root's guests are also different users from each other."""
PROCESSES = wall(Layer.PID_NAMESPACE)
PROCESSES_PER_GUEST = wall(Layer.PID_NAMESPACE, Layer.GUEST_PID_NAMESPACE)
SCOPE = wall(Layer.LANDLOCK_SCOPE)
NETWORK = wall(Layer.NETWORK_NAMESPACE)
TCP = wall(Layer.LANDLOCK_TCP)
CAPABILITIES = wall(Layer.NO_CAPABILITIES)

AS_FULL = frozenset(place for place in PLACES if place[0] is Level.FULL)
AS_ORDINARY = frozenset(place for place in PLACES if place[1] == ORDINARY)
AS_ORDINARY_WITHOUT_NAMESPACES = AS_ORDINARY - AS_FULL
