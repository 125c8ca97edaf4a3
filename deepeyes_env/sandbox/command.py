"""`deepeyes sandbox`: looks after the sandbox of this machine."""

from __future__ import annotations

from functools import partial

from deepeyes_env.parts import run_part

PARTS = {
    "check": ("deepeyes_env.sandbox.check_command", "whether it really isolates here, shown and tried"),
    "top": ("deepeyes_env.sandbox.top_command", "who is using it, and how much"),
}
"""Modules and what they say, by name."""

main = partial(run_part, "sandbox", PARTS)
"""Run the part that is named first."""
