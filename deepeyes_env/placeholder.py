"""Placeholder code: cells that run without error and do nothing.

Paid for tool calls as such, the paper's policy learned to call once per question with a block of comments
(arXiv 2511.05271, figure 4; reference 5.6). Errors do not show it, so the code itself is read: a cell is a
placeholder if none of its statements computes anything. It is a lower bound, for a policy can always pretend
more cleverly; whatever might be work counts as work.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable


def is_placeholder(code: str) -> bool:
    """Whether a cell does nothing useful.

    Idle are comments, `pass`, imports, literals, names bound to literals in the same cell, and printing or
    displaying any of these. Any other call, operator, subscript, attribute or unknown name (a picture, a
    variable of an earlier cell) is work, and so is a definition, which a later cell may call.

    Args:
        code: The cell, as it would run.

    Returns:
        False for code that does not parse: its error tells the policy more than nothing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for odd escapes in the policy's strings
            tree = ast.parse(code)
        return _Reader().idle(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


class _Reader:
    """Reads statements in order and remembers which names stand for literals."""

    def __init__(self) -> None:
        self._literals: set[str] = set()

    def idle(self, body: Iterable[ast.stmt]) -> bool:
        """Whether no statement does anything."""
        return all(self._statement(statement) for statement in body)

    def _statement(self, node: ast.stmt) -> bool:
        match node:
            case ast.Pass() | ast.Import() | ast.ImportFrom():
                return True
            case ast.Expr(value=value):
                return self._expression(value)
            case ast.Assign(targets=targets, value=value):
                return self._expression(value) and all(self._bind(target) for target in targets)
            case ast.AnnAssign(target=target, value=value):
                return value is None or (self._expression(value) and self._bind(target))
            case ast.If(test=test, body=body, orelse=orelse):
                return self._expression(test) and self._branches(test, body, orelse)
            case ast.While(test=ast.Constant(value=value), orelse=orelse) if not value:
                return self.idle(orelse)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
                rescue = [statement for handler in handlers for statement in handler.body]
                return self.idle([*body, *rescue, *orelse, *finalbody])
            case _:
                return False

    def _branches(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> bool:
        """Whether what may run of an `if` is idle: of a literal test, one branch."""
        if isinstance(test, ast.Constant):
            return self.idle(body if test.value else orelse)
        return self.idle([*body, *orelse])

    def _bind(self, target: ast.expr) -> bool:
        if isinstance(target, ast.Name):
            self._literals.add(target.id)
            return True
        return False

    def _expression(self, node: ast.expr) -> bool:
        match node:
            case ast.Constant():
                return True
            case ast.Name(id=name):
                return name in self._literals
            case ast.UnaryOp(operand=operand):
                return self._expression(operand)
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return all(map(self._expression, parts))
            case ast.Dict(keys=keys, values=values):
                return all(key is not None and self._expression(key) for key in keys) and all(
                    map(self._expression, values)
                )
            case ast.JoinedStr(values=parts):
                return all(map(self._expression, parts))
            case ast.FormattedValue(value=value):
                return self._expression(value)
            case ast.Call(func=ast.Name(id="print" | "display"), args=args, keywords=keywords):
                return all(map(self._expression, [*args, *(keyword.value for keyword in keywords)]))
            case _:
                return False
