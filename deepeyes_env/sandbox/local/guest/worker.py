"""The guest's loop: one namespace, one cell after the other, as in a notebook."""

from __future__ import annotations

import ast
import builtins
import io
import linecache
import os
import random
import signal
import sys
from collections.abc import Sequence
from types import CodeType, FrameType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from . import errors, wire
from .limits import GuestLimits
from .pictures import Pictures
from .streams import Text

if TYPE_CHECKING:
    from PIL import Image

_NOTEBOOK = "IPython.display"
_CELL_BYTES = 1 << 16
"""Read at once, which is all of nearly every cell."""
_DEFAULT_RECURSION = sys.getrecursionlimit()


class Interpreter:
    """The state of one session and the way to run a cell in it."""

    def __init__(self, bounds: wire.Bounds, limits: GuestLimits) -> None:
        self._bounds = bounds
        self._limits = f"limits: memory_bytes = {limits.memory_bytes}, threads = {limits.threads}"
        self._pictures = Pictures(bounds)
        self._stdout, self._stderr = Text(bounds.output_chars), Text(bounds.output_chars)
        self._running = False
        self._interrupted = False
        self._cell = 0
        module = ModuleType("__main__")
        sys.modules["__main__"] = module
        self._names = vars(module)
        self._names["__builtins__"] = builtins
        self._on_interrupt = self._interrupt
        self._install_notebook_functions()

    def forget(self) -> None:
        """Be as new after a rehearsal."""
        linecache.cache.clear()
        self._names.pop("_", None)
        self._cell = 0

    def begin(self, seed: int, images: Sequence[Image.Image]) -> None:
        """Take on an episode.

        Args:
            seed: Random numbers become a function of it alone.
            images: The values of `image_1`, `image_2`, ...
        """
        reseed(seed)
        for number, image in enumerate(images, 1):
            self._names[f"image_{number}"] = image

    def run(self, code: str) -> wire.Reply:
        """Run one cell to its end, whatever it does."""
        self._pictures.begin()
        self._interrupted = False
        self._begin()
        status = wire.EXCEPTION
        # The host sends at most one interrupt per cell. It raises only while `_running`, and two levels of
        # `except` catch it wherever it strikes.
        try:
            self._running = True
            try:
                self._execute(code)
                status = wire.OK
            except BaseException as error:
                self._report(error)
            self._running = False
        except BaseException:
            self._running = False
            status = wire.EXCEPTION
        self._cell += 1
        return self._finish(status)

    def _begin(self) -> None:
        if signal.getsignal(signal.SIGINT) is not self._on_interrupt:
            signal.signal(signal.SIGINT, self._on_interrupt)
        # The same streams in every cell: a logging handler made in one of them keeps working.
        sys.stdout, sys.stderr = self._stdout, self._stderr

    def _finish(self, status: int) -> wire.Reply:
        if sys.getrecursionlimit() < _DEFAULT_RECURSION:
            sys.setrecursionlimit(_DEFAULT_RECURSION)
        pictures = self._pictures
        if pictures.dropped:
            pictures.notes.append(f"[{pictures.dropped} more not shown: {pictures.met}]")
        for note in pictures.notes:
            self._stderr.write(note + "\n")
        (out, out_cut), (err, err_cut) = self._stdout.take(), self._stderr.take()
        return wire.Reply(
            status, out_cut or err_cut or bool(pictures.notes), out, err, tuple(pictures.images)
        )

    def _execute(self, code: str) -> None:
        statements, echo = self._compile(code)
        try:
            exec(statements, self._names)
            if echo is not None:
                self._echo(eval(echo, self._names))
        except KeyboardInterrupt:
            raise
        except BaseException:
            self._pictures.flush()
            raise
        finally:
            _flush_streams()
        self._pictures.flush()

    def _compile(self, code: str) -> tuple[CodeType, CodeType | None]:
        name = errors.cell_name(self._cell)
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        quick = _compile_quickly(code, name)
        if quick is not None:
            return quick
        try:
            tree = ast.parse(code, name)
            last = tree.body[-1] if tree.body else None
            if not isinstance(last, ast.Expr) or _ends_in_semicolon(code, last):
                return _compiled(tree, name, "exec"), None
            tree.body.pop()
            return _compiled(tree, name, "exec"), _compiled(ast.Expression(last.value), name, "eval")
        except errors.compile_errors() as error:
            raise errors.CellSyntaxError(errors.syntax_text(error)) from None

    def _echo(self, value: object) -> None:
        if value is None:
            return
        self._names["_"] = value
        if not self._pictures.show(value):
            self._stdout.write(f"Out[{self._cell}]: {value!r}\n")

    def _report(self, error: BaseException) -> None:
        if self._interrupted and isinstance(error, KeyboardInterrupt):
            return
        if isinstance(error, errors.CellSyntaxError):
            self._stderr.write(error.args[0] + "\n")
        else:
            self._stderr.write(errors.exception_text(error, self._limits))

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._running:
            self._interrupted = True
            raise KeyboardInterrupt

    def _install_notebook_functions(self) -> None:
        """`display`, `plt.show()`, `Image.show()` give pictures; what needs a person or a shell says so."""
        from matplotlib import figure, pyplot
        from PIL import Image

        pictures = self._pictures

        def display(*values: object, **_: Any) -> None:
            for value in values:
                if not pictures.show(value):
                    print(repr(value))

        def show(value: object, *_: Any, **__: Any) -> None:
            pictures.show(value)

        def open_image(data: Any = None, *_: Any, filename: Any = None, **__: Any) -> Image.Image:
            given = data if filename is None else filename
            return Image.open(io.BytesIO(given) if isinstance(given, bytes) else given)

        def show_all(*_: Any, **__: Any) -> None:
            pictures.flush()

        def show_nothing(*_: Any, **__: Any) -> None:
            """Nothing that was shown is taken back."""

        def refuse_input(*_: object) -> str:
            raise RuntimeError("input() is not available: nobody is there to answer; use values in the code")

        builtins.display = display  # type: ignore[attr-defined]
        builtins.input = refuse_input
        builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]
        Image.Image.show = show  # type: ignore[method-assign, assignment]
        figure.Figure.show = show  # type: ignore[method-assign, assignment]
        pyplot.show = show_all
        package, module = ModuleType("IPython"), ModuleType(_NOTEBOOK)
        package.display = module  # type: ignore[attr-defined]
        package.get_ipython = lambda: None  # type: ignore[attr-defined]  # matplotlib asks at each `use`
        module.display, module.Image = display, open_image  # type: ignore[attr-defined]
        module.clear_output = show_nothing  # type: ignore[attr-defined]
        sys.modules.update({"IPython": package, _NOTEBOOK: module})


def _compiled(source: str | ast.Module | ast.Expression, name: str, mode: str) -> CodeType:
    """Compile without the `__future__` of this module."""
    code: CodeType = compile(source, name, mode, dont_inherit=True)
    return code


def _compile_quickly(code: str, name: str) -> tuple[CodeType, CodeType] | None:
    """Compile a cell whose last unindented line is an expression: in half the time, for there is no tree.

    Two texts that are each a program, the first of which ends in a line break, are one program together.

    Returns:
        The statements and the last expression; None if the cell is not of this kind, or does not compile.
    """
    start = code.rstrip().rfind("\n") + 1
    if not code[start:] or code[start].isspace() or "__future__" in code:
        return None
    try:
        # The line breaks keep the numbers of the lines.
        echo = _compiled("\n" * code.count("\n", 0, start) + code[start:], name, "eval")
        return _compiled(code[:start], name, "exec"), echo
    except errors.compile_errors():
        return None


def _ends_in_semicolon(code: str, last: ast.Expr) -> bool:
    """Whether a cell asks, as in a notebook, not to show its last value."""
    lines = code.encode().splitlines()
    return lines[(last.end_lineno or 1) - 1][last.end_col_offset :].lstrip().startswith(b";")


def _flush_streams() -> None:
    """Pass on what a cell's own wrapper around `sys.stdout` still holds."""
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, Text) and isinstance(stream, io.TextIOBase) and not stream.closed:
            stream.flush()


def reseed(seed: int) -> None:
    """Make the guest's random numbers a function of the episode's seed alone."""
    import numpy

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    vision = sys.modules.get("cv2")
    if vision is not None:
        vision.setRNGSeed(seed % 2**31)


def serve(channel: int, interpreter: Interpreter) -> NoReturn:
    """Run cells until the host hangs up."""
    while True:
        serve_cell(channel, interpreter)


def serve_cell(channel: int, interpreter: Interpreter) -> None:
    """Run one cell, or exit if the host hangs up."""
    frame = _read(channel, wire.CELL.size, b"")
    _, cell, token, length = wire.CELL.unpack_from(frame)
    frame = _read(channel, wire.CELL.size + length, frame)
    reply = interpreter.run(frame[wire.CELL.size :].decode("utf-8", "replace"))
    for piece in wire.write_reply(cell, token, reply):
        view = memoryview(piece)
        while view:
            view = view[os.write(channel, view) :]


def _read(channel: int, length: int, data: bytes) -> bytes:
    """Read on until there are `length` bytes; more never come, for the host waits for the reply."""
    while len(data) < length:
        piece = os.read(channel, max(_CELL_BYTES, length - len(data)))
        if not piece:
            os._exit(0)
        data += piece
    return data
