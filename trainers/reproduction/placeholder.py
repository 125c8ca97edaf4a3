"""Placeholder code: a cell that cannot have told the policy anything.

The paper's pilot with a tool bonus ended with one cell of comments per question (reference 5.6, figure 4).
"""

from __future__ import annotations

import ast

from agents.trajectory import Trajectory
from deepeyes_env.protocol import RunCode, parse_turn


def is_placeholder(code: str) -> bool:
    """Whether a cell holds nothing but comments, `pass`, imports, constants, and constants stored or printed.

    Args:
        code: A cell. One that does not parse is a mistake and no placeholder.
    """
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError):
        return False
    return all(map(_is_idle, body))


def placeholders(trajectory: Trajectory) -> int:
    """How many of an episode's cells are placeholders."""
    cells = (parse_turn(turn.text) for turn in trajectory.turns if turn.action == "code")
    return sum(isinstance(cell, RunCode) and is_placeholder(cell.code) for cell in cells)


def _is_idle(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(value=ast.Constant()) | ast.AnnAssign(value=ast.Constant() | None):
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=args, keywords=[])):
            return all(isinstance(argument, ast.Constant) for argument in args)
    return False
