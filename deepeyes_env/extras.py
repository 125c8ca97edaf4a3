"""Which of the project's extras brings a package, as the installed project itself says."""

from __future__ import annotations

from importlib.metadata import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "deepeyes-gym"


def extra_of(module: str) -> str | None:
    """The smallest extra that brings a package of this name, or None.

    Args:
        module: Name of a module of the top level. Where a package has another name than its module, the code
            that imports it says itself how to install it.
    """
    about = metadata(PROJECT)
    wanted = canonicalize_name(module)
    packages = [Requirement(line) for line in about.get_all("Requires-Dist", [])]
    brought: dict[str, list[str]] = {}
    for extra in about.get_all("Provides-Extra", []):
        # What is always installed has no marker, and belongs to no extra.
        some = [one for one in packages if one.marker and one.marker.evaluate({"extra": extra})]
        brought[extra] = [canonicalize_name(one.name) for one in some]
    return min(
        (name for name in brought if wanted in brought[name]),
        key=lambda name: len(brought[name]),
        default=None,
    )
