"""A cell means the same whether it is compiled by way of its tree or quickly."""

import ast

from hypothesis import example, given
from hypothesis import strategies as st

from deepeyes_env.sandbox.local.guest.worker import _compile_quickly

PIECES = [
    *(
        "x = 1",
        "x += 1",
        "x",
        "print(x)",
        "(x)",
        "[x,",
        "]",
        "(",
        ")",
        "f(",
        "'a'",
        "'''",
        '"""',
        "x; x",
        "x;",
    ),
    *(
        "if x:",
        "    x",
        "\tx",
        "else: x",
        "for x in x: x",
        "def f(): return 1",
        "@f",
        "class A: pass",
        "lambda: x",
    ),
    *(
        "x \\",
        "# x",
        "x # x",
        "",
        "  ",
        "x for x in x",
        "x := 1",
        "*x, x",
        "yield x",
        "await x",
        "{x: x}",
        "{",
    ),
    *(
        "return x",
        "x: int = 1",
        "x = x = 2",
        "-x",
        "not x",
        "f'{x}'",
        "f'''{",
        "\f",
        "\\",
        "match x:",
        "%x",
        "!x",
    ),
    *(
        "with x as y:",
        "try:",
        "except: pass",
        "pass",
        "import os",
        "\x00",
        "é",
        "x\r",
        "None",
        "(yield)",
        "...",
        "x,",
    ),
]


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("\n".join))
@example("x = (\n1\n)")
@example("'''\nx'''")
@example("x = 1 \\\nx")
@example("x\n\n\n")
@example("if 1:\n    x\nx")
def test_quickly_compiled_cells_are_those_of_the_tree(code: str) -> None:
    quick = _compile_quickly(code, "cell")
    if quick is None:
        return
    tree = ast.parse(code)  # valid as a whole, too
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    statements, echo = quick
    assert statements.co_code == compile(tree, "cell", "exec").co_code
    by_tree = compile(ast.Expression(last.value), "cell", "eval")
    assert echo.co_code == by_tree.co_code
    assert [line for *_, line in echo.co_lines()] == [line for *_, line in by_tree.co_lines()]


def test_most_cells_are_compiled_quickly() -> None:
    for code in (
        "x = 1\nprint(x)",
        "image_1",
        "plt.show()",
        "def f():\n    pass\nf()",
        "view.show()  # look",
    ):
        assert _compile_quickly(code, "cell") is not None
