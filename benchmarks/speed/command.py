"""`deepeyes bench`: how fast the parts are, beside their peers, in one run on this machine."""

from __future__ import annotations

from functools import partial

from deepeyes_env.parts import run_part

BENCHES = {
    "all": ("benchmarks.speed.all", "every speed benchmark beside its peers, on one page"),
    "env": ("benchmarks.speed.env", "the vector env beside Gymnasium's, GEM's threads and TRL's tool loop"),
    "env-ray": ("benchmarks.speed.env_ray", "RayVectorEnv over 1, 2 and 4 nodes of a cluster"),
    "mismatch": ("benchmarks.mismatch", "an engine's log-probabilities beside the trainer's, on a rollout"),
    "rollout": ("benchmarks.speed.rollout", "the rollout engine beside the bare backend and a barrier"),
    "sandbox": ("benchmarks.speed.sandbox", "the sandbox beside an ipykernel, a process per cell and a fork"),
    "search": ("benchmarks.speed.search", "text search beside bm25s and SQLite's FTS5"),
    "stress": ("benchmarks.speed.stress", "hundreds of episodes with failing tools: nothing is lost"),
    "train": ("benchmarks.speed.train", "updates beside plain transformers and TRL; shares of a DAPO step"),
    "worlds": ("benchmarks.speed.worlds", "generated tasks a second, beside the bare JPEG encoding"),
}
"""Modules and what they say, by name."""

main = partial(run_part, "bench", BENCHES)
"""Run the benchmark that is named first."""
