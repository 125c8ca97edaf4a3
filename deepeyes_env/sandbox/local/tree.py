"""What of this machine a guest may see: the interpreter, the chosen libraries, system libraries and fonts."""

from __future__ import annotations

import glob
import os
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from deepeyes_env.sandbox.base import SandboxUnavailableError
from deepeyes_env.sandbox.local.guest.layers import Layer
from deepeyes_env.sandbox.local.guest.tree import ACCOUNTS, Tree

CORE = {
    "numpy": ("numpy", "numpy.random", "numpy.linalg", "numpy.fft"),
    "pillow": (
        "PIL.Image",
        "PIL.ImageDraw",
        "PIL.ImageFont",
        "PIL.ImageOps",
        "PIL.ImageFilter",
        "PIL.ImageEnhance",
    ),
    "matplotlib": ("matplotlib.pyplot", "matplotlib.patches"),
}
"""Distributions that every guest has, with the modules that are imported before any session opens."""

EXTRAS = {
    "scipy": ("scipy.ndimage", "scipy.signal", "scipy.stats"),
    "opencv-python-headless": ("cv2",),
    "pandas": ("pandas",),
    "sympy": ("sympy",),
    "scikit-image": ("skimage",),
}
"""Distributions that a guest may have besides."""

_SYSTEM = (
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/usr/share/fonts",
    "/usr/share/zoneinfo",
)
# Without /dev/zero: mapped shared, it gives memory that RLIMIT_DATA does not count.
_DEVICES = ("/dev/null", "/dev/random", "/dev/urandom")
_FONTS_OF_MATPLOTLIB = "mpl-data/fonts/ttf"
_GUEST_SITE = "/opt"
"""A site-packages outside the interpreter's own prefix is a numbered directory below it."""
_GUEST_FONTS = "/usr/local/share/fonts"
"""Pillow and matplotlib both look for fonts by name here."""


def closure(distributions: list[str]) -> list[metadata.Distribution]:
    """The named distributions and everything they need.

    Raises:
        SandboxUnavailableError: One of them is not installed.
    """
    found: dict[str, metadata.Distribution] = {}
    queue = list(distributions)
    while queue:
        name = queue.pop()
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError as error:
            raise SandboxUnavailableError(
                f"the sandbox needs the library {name!r}, which is not installed; try: pip install {name}"
            ) from error
        needs = (Requirement(line) for line in found[name].requires or ())
        queue += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return list(found.values())


def site_directories(distributions: list[metadata.Distribution]) -> dict[str, str]:
    """Where the libraries' directories stand in the guest's tree, by their path here.

    At the same path inside the interpreter's prefix, by which Conda's libraries find the interpreter's
    (`$ORIGIN/../..`); elsewhere, as in a virtual environment, at a path that tells nothing of this machine.

    Returns:
        The guest's directories in the host's order of import, which must be on the guest's `sys.path`.
    """
    used = {str(distribution.locate_file("")) for distribution in distributions}
    ordered = [path for path in sys.path if path in used] + sorted(used.difference(sys.path))
    prefixes = tuple(f"{prefix}/" for prefix in {sys.base_prefix, sys.base_exec_prefix})
    return {
        path: path if path.startswith(prefixes) else f"{_GUEST_SITE}/{number}/site-packages"
        for number, path in enumerate(ordered)
    }


def tree(distributions: list[metadata.Distribution], walls: frozenset[Layer]) -> Tree:
    """Choose what the guest sees. Never a whole site-packages, never a home, never this project.

    Args:
        distributions: The guest's libraries.
        walls: The layers to build: without a root of its own, a guest may read the same things in the host's.
    """
    links = [[path, os.readlink(path)] for path in _SYSTEM if os.path.islink(path)]
    paths = {path for path in (*_SYSTEM, *_DEVICES) if os.path.exists(path) and not os.path.islink(path)}
    libraries = _interpreter_libraries()
    covers = {cover for path in (*libraries, *paths) for cover in _site_packages_below(path)}
    paths.update(libraries)
    binds = [[path, path] for path in sorted(paths)]
    site = site_directories(distributions)
    for distribution in distributions:
        here = str(distribution.locate_file(""))
        binds += [[f"{here}/{name}", f"{site[here]}/{name}"] for name in sorted(_top_level(distribution))]
    binds += [[path, f"{_GUEST_FONTS}/matplotlib"] for path in _matplotlib_fonts(distributions)]
    chosen = Tree(binds=binds, covers=sorted(covers), links=links, readable=[], confined=[], listed=[])
    if Layer.OWN_ROOT in walls:
        return replace(chosen, readable=_in_own_root(binds, list(site.values())))
    exactly = sorted({path for source, _ in binds for path in _without(source, covers)})
    listed = sorted({*site, *(str(Path(cover).parent) for cover in covers)})
    if Layer.MOUNT_NAMESPACE in walls:  # where guests mount, Landlock must not confine the zygote
        return replace(chosen, readable=exactly, listed=listed)
    around = {next((here for here in site if path.startswith(f"{here}/")), path) for path, _ in binds}
    return replace(chosen, readable=sorted(around), confined=exactly, listed=listed)


def _in_own_root(binds: list[list[str]], site: list[str]) -> list[str]:
    """Few paths, because each guest makes a rule of each: the libraries' directories hold nothing else."""
    above = tuple(f"{path}/" for path in site)
    others = [target for _, target in binds if not target.startswith(above)]
    return sorted({*site, *others, *(f"/{name}" for name in ACCOUNTS)})


def _without(path: str, covers: set[str]) -> list[str]:
    """The path, or where there are covers inside, everything else that is inside."""
    if path in covers:
        return []
    if not any(cover.startswith(f"{path}/") for cover in covers):
        return [path]
    return [part for entry in os.scandir(path) for part in _without(entry.path, covers)]


def _interpreter_libraries() -> list[str]:
    """Where the standard library and the interpreter's own shared libraries lie (a venv's are its base's)."""
    candidates = {f"{sys.base_prefix}/lib", f"{sys.base_exec_prefix}/{sys.platlibdir}"}
    found = sorted(path for path in candidates if os.path.isdir(path))
    for path in found:
        if path.startswith("/tmp/"):
            raise SandboxUnavailableError(
                f"the interpreter's library {path} lies below /tmp, which a guest sees as its own empty "
                "directory; use an interpreter installed elsewhere (its virtual environment may stay)"
            )
    return found


def _site_packages_below(path: str) -> list[str]:
    return [
        cover
        for kind in ("site-packages", "dist-packages")
        for cover in glob.glob(f"{glob.escape(path)}/python*/{kind}")
    ]


def _top_level(distribution: metadata.Distribution) -> set[str]:
    """Names of the files and directories of a distribution that lie directly in its site-packages."""
    names = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__", "/"}
    return {name for name in names if os.path.exists(str(distribution.locate_file(name)))}


def _matplotlib_fonts(distributions: list[metadata.Distribution]) -> list[str]:
    packages = (Path(str(distribution.locate_file("matplotlib"))) for distribution in distributions)
    fonts = {str(package / _FONTS_OF_MATPLOTLIB) for package in packages}
    return sorted(path for path in fonts if os.path.isdir(path))
