"""A server that speaks E2B's protocol as its SDK 2.63 does, with our own sandbox behind it.

Control plane: `POST /v2/sandboxes`, `DELETE /sandboxes/{id}`. In the machine (named by the header
`E2b-Sandbox-Id`): envd's `GET /health` and `POST /files`; the code interpreter's `/contexts` and `/execute`,
which streams a JSON object per line. As in E2B's code interpreter, a client that hangs up interrupts its
cell, and a kernel that dies is told as the error `ContextRestarting`.
"""

import asyncio
import base64
import json
import re
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from deepeyes_env.images import EncodedImage
from deepeyes_env.sandbox import CellResult, CellStatus, LocalSandbox
from deepeyes_env.sandbox.local import LocalSession

KEY = "e2b_0123456789abcdef"
ECHO = re.compile(r"^Out\[\d+\]: ", re.MULTILINE)


@dataclass
class Context:
    session: LocalSession
    lock: threading.Lock = field(default_factory=threading.Lock)
    cells: int = 0
    stubborn: bool = False

    def run(self, code: str) -> CellResult | None:
        """Run a cell, in a thread; None while an earlier one goes on and on."""
        with self.lock:
            if self.stubborn:
                return None
            result = self.session.run(code)
            # Our sandbox has killed the process by now; a kernel there would go on.
            self.stubborn = result.status is CellStatus.KILLED
            return result


@dataclass
class Machine:
    request: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    contexts: dict[str, Context] = field(default_factory=dict)


class E2BServer:
    """The application, and what a test wants to know of or do to it."""

    def __init__(self, sandbox: LocalSandbox) -> None:
        """`sandbox` must give cells less time than the client: it interrupts by itself, at no hang-up."""
        self.sandbox = sandbox
        self.machines: dict[str, Machine] = {}
        self.created: list[dict[str, Any]] = []
        self.killed: list[str] = []
        self.lines: list[dict[str, Any]] | None = None
        """What `/execute` says in place of running the cell."""
        self.meanwhile: Callable[[], None] = lambda: None
        """Done while a client waits for its machine."""
        self.app = FastAPI()
        self._control_plane()
        self._envd()
        self._interpreter()

    def _machine(self, request: Request) -> Machine:
        machine = self.machines.get(request.headers["e2b-sandbox-id"])
        if machine is None:
            raise HTTPException(502, "The sandbox was not found")
        return machine

    def _control_plane(self) -> None:
        @self.app.post("/v2/sandboxes")
        async def create(request: Request) -> JSONResponse:
            if request.headers.get("x-api-key") != KEY:
                return JSONResponse({"code": 401, "message": "Invalid API key"}, 401)
            name = uuid.uuid4().hex[:20]
            self.machines[name] = Machine(await request.json())
            self.created.append(self.machines[name].request)
            await asyncio.to_thread(self.meanwhile)
            told = {"templateID": "x", "sandboxID": name, "clientID": "x", "envdVersion": "0.6.7"}
            return JSONResponse(told | {"envdAccessToken": "secret"}, 201)

        @self.app.delete("/sandboxes/{name}")
        async def kill(name: str) -> Response:
            machine = self.machines.pop(name, None)
            if machine is None:
                return JSONResponse({"code": 404, "message": "not found"}, 404)
            self.killed.append(name)
            for context in machine.contexts.values():
                await asyncio.to_thread(context.session.close)
            return Response(status_code=204)

    def _envd(self) -> None:
        @self.app.get("/health")
        async def health(request: Request) -> Response:
            self._machine(request)
            return Response(status_code=204)

        @self.app.post("/files")
        async def upload(request: Request) -> list[dict[str, str]]:
            assert request.headers["x-access-token"] == "secret"
            machine = self._machine(request)
            boundary = request.headers["content-type"].partition("boundary=")[2].encode()
            for part in (await request.body()).split(b"--" + boundary)[1:-1]:
                head, _, data = part.partition(b"\r\n\r\n")
                name = re.search(r'filename="(.+?)"', head.decode())
                assert name
                machine.files[request.query_params.get("path", name[1])] = data[:-2]
            return [{"name": path, "type": "file", "path": path} for path in machine.files]

    def _interpreter(self) -> None:
        @self.app.post("/contexts")
        async def create(request: Request) -> dict[str, str]:
            machine = self._machine(request)
            name = str(uuid.uuid4())
            machine.contexts[name] = Context(await asyncio.to_thread(self._kernel, machine))
            return {"id": name, "language": "python", "cwd": "/home/user"}

        @self.app.post("/contexts/{name}/restart")
        async def restart(request: Request, name: str) -> dict[str, str]:
            machine = self._machine(request)
            old = machine.contexts[name]
            await asyncio.to_thread(old.session.close)
            machine.contexts[name] = Context(await asyncio.to_thread(self._kernel, machine))
            return {}

        @self.app.post("/execute")
        async def execute(request: Request) -> StreamingResponse:
            machine = self._machine(request)
            asked = await request.json()
            assert request.headers["x-access-token"] == "secret"
            stream = self._execute(machine.contexts[asked["context_id"]], asked["code"])
            return StreamingResponse(stream, media_type="application/json")

    def _kernel(self, machine: Machine) -> LocalSession:
        session = self.sandbox.open([])
        for path, data in machine.files.items():
            text = base64.b64encode(data).decode()
            code = f"import os, base64\nos.makedirs(os.path.dirname({path!r}), exist_ok=True)\n"
            code += f"open({path!r}, 'wb').write(base64.b64decode('{text}'))\ndel os, base64"
            assert session.run(code).ok
        return session

    async def _execute(self, context: Context, code: str) -> AsyncIterator[str]:
        # A message at once, as E2B sends when the kernel takes the cell up.
        yield _line("number_of_executions", execution_count=context.cells + 1)
        if self.lines is not None:
            for line in self.lines:
                yield json.dumps(line) + "\n"
            return
        context.cells += 1
        result = await asyncio.to_thread(context.run, code)
        if result is not None:
            for line in _messages(result):
                yield line
        while result is None or result.status in (CellStatus.TIMEOUT, CellStatus.KILLED):
            await asyncio.sleep(0.01)  # in the eyes of the client the cell still runs, until it hangs up


def _messages(result: CellResult) -> list[str]:
    echoes = list(ECHO.finditer(result.stdout))
    printed = result.stdout[: echoes[-1].start()] if echoes else result.stdout
    lines = [_line("stdout", text=printed, timestamp=0)] if printed else []
    stderr, mark, traceback = result.stderr.partition("Traceback (most recent call last)")
    if result.status in (CellStatus.TIMEOUT, CellStatus.KILLED):
        stderr = ""
    elif result.status is CellStatus.EXCEPTION and not mark:
        stderr, mark, traceback = "", "", result.stderr
    if stderr and result.status is not CellStatus.CRASHED:
        lines.append(_line("stderr", text=stderr, timestamp=0))
    for image in result.images:
        png = base64.b64encode(EncodedImage.from_pil(image).data).decode()
        lines.append(_line("result", text="<PIL.Image.Image>", png=png, is_main_result=False))
    if echoes:
        text = result.stdout[echoes[-1].end() :].removesuffix("\n")
        lines.append(_line("result", text=text, is_main_result=True))
    if result.status is CellStatus.EXCEPTION:
        coloured = f"\x1b[0;31m{mark}\x1b[0m{traceback}"
        lines.append(_line("error", name="Error", value="", traceback=coloured))
    if result.status is CellStatus.CRASHED:
        lines.append(_line("error", name="ContextRestarting", value="Context was restarted", traceback=""))
    return lines


def _line(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields}) + "\n"
