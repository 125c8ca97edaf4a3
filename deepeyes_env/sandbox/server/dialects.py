"""What the two dialects say: requests in, replies out (reference 2.1)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, Field

from deepeyes_env.images import EncodedImage
from deepeyes_env.sandbox.base import CellResult
from deepeyes_env.sandbox.server.sessions import Ran

NO_CODE = "Error: No code provided"
"""The `output` of an empty cell, which is the only `status` other than `success`."""

Name = Annotated[str, Field(min_length=1, max_length=256)]
"""A session's name, chosen by the client; whoever knows it shares the session."""


class CellRequest(BaseModel):
    """A cell to run.

    Attributes:
        session_id: The session.
        code: The cell.
        timeout: Wall time of the cell in seconds; the default is the original's.
    """

    session_id: Name
    code: str = ""
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0


class ClearRequest(BaseModel):
    """A session to close.

    Attributes:
        session_id: The session.
    """

    session_id: Name


Render = Callable[[Ran], dict[str, Any]]
"""Writes the `output` object of a dialect."""


def jupyter_sandbox(ran: Ran) -> dict[str, Any]:
    """The `output` of v1: the echoed value apart as well, pictures as bare base64."""
    result = ran.result
    _, value = split_echo(result.stdout)
    return {
        "result": value,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "images": _pictures(result),
    } | _ours(ran)


def run_jupyter(ran: Ran) -> dict[str, Any]:
    """The `output` of v2: a value is shown without `Out[n]:`, pictures are `data:` URIs."""
    result = ran.result
    printed, value = split_echo(result.stdout)
    stdout = printed + value
    return {
        "stdout": stdout,
        "stderr": result.stderr,
        "stdout_raw": stdout,
        "stderr_raw": result.stderr,
        "images": [f"data:image/png;base64,{picture}" for picture in _pictures(result)],
    } | _ours(ran)


def reply(output: dict[str, Any] | str, seconds: float) -> bytes:
    """The body of a reply; an `output` that is no object reports an error."""
    status = "error" if isinstance(output, str) else "success"
    return json.dumps({"status": status, "execution_time": seconds, "output": output}).encode()


def split_echo(stdout: str) -> tuple[str, str]:
    """What was printed, and the value of the last expression, which comes after it as `Out[n]: ...`."""
    echoes = list(_ECHO.finditer(stdout))
    return (stdout[: echoes[-1].start()], stdout[echoes[-1].end() :]) if echoes else (stdout, "")


_ECHO = re.compile(r"^Out\[\d+\]: ", re.MULTILINE)


def _ours(ran: Ran) -> dict[str, Any]:
    """What the original does not say."""
    return {
        "cell_status": str(ran.result.status),
        "truncated": ran.result.truncated,
        "new_session": ran.new_session,
    }


def _pictures(result: CellResult) -> list[str]:
    return [base64.b64encode(EncodedImage.from_pil(image).data).decode() for image in result.images]
