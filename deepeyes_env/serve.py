"""`deepeyes serve`: offers parts of the environment, or a policy, as servers."""

from __future__ import annotations

from functools import partial

from deepeyes_env.parts import run_part

PARTS = {
    "env": ("deepeyes_env.remote.server.command", "episodes for environments elsewhere"),
    "sandbox": ("deepeyes_env.sandbox.server.command", "this machine's sandbox as a code server"),
    "search": ("deepeyes_env.search.server.command", "a search engine at /retrieve"),
    "vllm": ("agents.vllm.serve_command", "a checkpoint with vLLM's own server, ready for training"),
}
"""Modules and what they say, by name."""

main = partial(run_part, "serve", PARTS)
"""Run the part that is named first."""
