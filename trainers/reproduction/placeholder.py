"""How many of an episode's cells are placeholder code, which the pilot with a tool bonus ended with."""

from __future__ import annotations

from agents.trajectory import Trajectory
from deepeyes_env.placeholder import is_placeholder
from deepeyes_env.protocol import RunCode, parse_turn


def placeholders(trajectory: Trajectory) -> int:
    """Cells that cannot have told the policy anything (reference 5.6, figure 4)."""
    cells = (parse_turn(turn.text) for turn in trajectory.turns if turn.action == "code")
    return sum(isinstance(cell, RunCode) and is_placeholder(cell.code) for cell in cells)
