"""`deepeyes bench`: how fast the parts are, beside their peers, in one run on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from benchmarks import mismatch
from benchmarks.speed import all as everything
from benchmarks.speed import env, env_ray, rollout, sandbox, search, stress, train, worlds
from deepeyes_env.errors import nearest

BENCHES: dict[str, Callable[[Sequence[str]], None]] = {
    "all": everything.main,
    "env": env.main,
    "env-ray": env_ray.main,
    "mismatch": mismatch.main,
    "rollout": rollout.main,
    "sandbox": sandbox.main,
    "search": search.main,
    "stress": stress.main,
    "train": train.main,
    "worlds": worlds.main,
}
"""Each is a module of its own; its docstring's first line is its line of help."""


def main(argv: Sequence[str]) -> int:
    """Run one benchmark.

    Args:
        argv: Its name and its arguments.

    Returns:
        0, or 2 for a name that is none.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage())
        return 0 if argv else 2
    name, *rest = argv
    if name not in BENCHES:
        print(f"deepeyes bench: unknown benchmark {name!r}: {nearest(name, BENCHES)}", file=sys.stderr)
        return 2
    BENCHES[name](rest)
    return 0


def _usage() -> str:
    lines = [f"  {name:<12} {_summary(bench)}" for name, bench in BENCHES.items()]
    return "\n".join(["usage: deepeyes bench BENCHMARK [--help] [options]", "", "benchmarks:", *lines])


def _summary(bench: Callable[[Sequence[str]], None]) -> str:
    return (sys.modules[bench.__module__].__doc__ or "").partition("\n")[0]
