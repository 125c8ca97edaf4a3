"""The client against servers that fail, lie, stall or are busy; what it does with good ones is in
`test_conformance`."""

import asyncio
import base64
import io
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from PIL import Image
from serving import serving

from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.errors import ConfigError
from deepeyes_env.sandbox import (
    CellStatus,
    HttpSandboxConfig,
    LocalSandbox,
    SandboxError,
    SandboxLimits,
    open_sandbox,
)
from deepeyes_env.sandbox.base import CellResult
from deepeyes_env.sandbox.http import read_output
from deepeyes_env.sandbox.server.app import ServerLimits, make_app

LIMITS = SandboxLimits(cell_seconds=5.0, pixels_per_image=10_000, images_per_cell=3, output_chars=100)
EMPTY = {"stdout": "", "stderr": "", "images": []}


def fake(answer: Callable[[dict[str, Any]], Response]) -> FastAPI:
    """A code server that says what `answer` says to a cell; it loads images and clears without a word."""
    app = FastAPI()

    @app.post("/{path}")
    async def route(request: Request) -> Response:
        body = await request.json()
        if "seed(" in body.get("code", "seed("):
            return Response(json.dumps({"status": "success", "output": EMPTY}))
        return answer(body | {"headers": dict(request.headers)})

    return app


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return buffer.getvalue()


def bomb() -> bytes:
    """A small PNG that says that it is 60,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def run(answer: Callable[[dict[str, Any]], Response], **settings: Any) -> CellResult:
    with serving(fake(answer)) as url:
        session = open_sandbox(HttpSandboxConfig(url=url, **settings), LIMITS).open([])
        try:
            return session.run("1")
        finally:
            session.close()


def output(**fields: Any) -> Response:
    return Response(json.dumps({"status": "success", "output": EMPTY | fields}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "no JSON object"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"status": "success"}', "refused a cell"),
        (b'{"status": "success", "output": "text"}', "refused a cell"),
        (b'{"status": "error", "output": {}}', "refused a cell"),
        (b" " * 2_000_000, "exceeds max_reply_bytes = 1000000"),
    ],
)
def test_a_reply_that_breaks_the_dialect_is_a_failure_of_the_server(content: bytes, message: str) -> None:
    with pytest.raises(SandboxError, match=message):
        run(lambda _: Response(content), max_reply_bytes=1_000_000)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "401 Unauthorized: set DEEPEYES_SANDBOX_TOKEN"),
        (404, "404 Not Found: .*dialect"),
        (413, "413 .*limit on request bodies"),
        (500, "500 Internal Server Error: look at its log"),
        (502, "502 Bad Gateway"),
        (503, "503 Service Unavailable"),
        (302, "302 Found"),
    ],
)
def test_an_error_of_the_server_is_told_once_with_its_mend(status: int, message: str) -> None:
    calls = []

    def answer(body: dict[str, Any]) -> Response:
        calls.append(body)
        return Response(status_code=status, headers={"Location": "http://elsewhere.example/"})

    with pytest.raises(SandboxError, match=message) as caught:
        run(answer)
    assert "127.0.0.1" not in str(caught.value)
    assert len(calls) == 1, "a request that may have run was repeated"


def test_a_busy_server_is_asked_again() -> None:
    calls = []

    def answer(body: dict[str, Any]) -> Response:
        calls.append(body)
        return (
            output(stdout="3") if len(calls) == 3 else Response(status_code=503, headers={"Retry-After": "0"})
        )

    assert run(answer).stdout == "3"
    assert len({call["session_id"] for call in calls}) == 1


def test_a_server_that_stays_busy_is_given_up() -> None:
    with pytest.raises(SandboxError, match="busy"):
        run(lambda _: Response(status_code=429, headers={"Retry-After": "0"}), retry_seconds=0.2)


def test_a_server_that_cannot_be_reached_is_named_without_its_address() -> None:
    sandbox = open_sandbox(HttpSandboxConfig(url="http://127.0.0.1:1/secret", retry_seconds=0.2))
    with pytest.raises(SandboxError, match=r"cannot be reached .*deepeyes serve sandbox") as caught:
        sandbox.open([])
    assert "secret" not in str(caught.value)


def test_a_reply_that_never_ends_is_given_up() -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    limits = SandboxLimits(cell_seconds=0.2)
    with serving(fake(lambda _: StreamingResponse(drip()))) as url:
        session = open_sandbox(HttpSandboxConfig(url=url, patience_seconds=0.3), limits).open([])
        with pytest.raises(SandboxError, match=r"no reply within 0\.5 s"):
            session.run("1")


def test_bad_pictures_are_left_out_and_harm_no_one() -> None:
    good = base64.b64encode(png(9, 7)).decode()
    bad = ["%%%", "", None, {"a": 1}, base64.b64encode(b"GIF89a").decode(), base64.b64encode(bomb()).decode()]
    bad += [base64.b64encode(png(200, 100)).decode(), "A" * 3_000_000]
    result = run(lambda _: output(images=[*bad, good, f"data:image/png;base64,{good}"]))
    assert [image.size for image in result.images] == [(9, 7), (9, 7)]
    assert result.truncated
    four = run(lambda _: output(images=[good] * 4))
    assert (len(four.images), four.truncated) == (3, True)
    assert run(lambda _: output(images="no list")).images == ()


def test_pictures_beyond_their_area_together_are_left_out() -> None:
    large, small = (base64.b64encode(png(*size)).decode() for size in ((90, 100), (10, 10)))
    limits = replace(LIMITS, pixels_per_cell=10_000)
    result = read_output(EMPTY | {"images": [large, large, small]}, limits)
    assert [image.size for image in result.images] == [(90, 100), (10, 10)]
    assert result.truncated
    assert not read_output(EMPTY | {"images": [large, small]}, limits).truncated


def test_texts_are_cut_and_cleaned() -> None:
    result = run(lambda _: output(stdout="a" + "-" * 5_000 + "b", stderr="\x1b[31mred\x1b[0m \ud800"))
    assert (result.stdout[:2], result.stdout[-2:], result.truncated) == ("a-", "-b", True)
    assert len(result.stdout) < 250
    assert (result.stderr, result.status) == ("red ?", CellStatus.OK)
    assert run(lambda _: output(stdout=None, stderr=7)).stderr == ""


@pytest.mark.parametrize(
    ("stderr", "status"),
    [
        ("", CellStatus.OK),
        ("careful: UserWarning", CellStatus.OK),
        (
            "Traceback (most recent call last):\n  ...\nNameError: name 'x' is not defined",
            CellStatus.EXCEPTION,
        ),
        ("------\nNameError     Traceback (most recent call last)\nCell In[1]", CellStatus.EXCEPTION),
        ("SyntaxError - invalid syntax", CellStatus.EXCEPTION),
        ("  Cell In[1], line 1\n    x = (\n        ^\nSyntaxError: incomplete input", CellStatus.EXCEPTION),
        ("TimeOutError: code execution timed out", CellStatus.TIMEOUT),
        ("Traceback (most recent call last):\n...\nTimeoutException: Timed out!", CellStatus.TIMEOUT),
        ("Timed out waiting for Jupyter kernel output.\n", CellStatus.TIMEOUT),
    ],
)
def test_the_originals_replies_tell_how_a_cell_ended(stderr: str, status: CellStatus) -> None:
    assert read_output(EMPTY | {"stderr": stderr}, LIMITS).status is status


@pytest.mark.parametrize("told", ["fine", 3, [], None, {}])
def test_a_status_that_is_none_is_not_believed(told: object) -> None:
    assert read_output(EMPTY | {"cell_status": told}, LIMITS).status is CellStatus.OK


def test_images_that_do_not_load_are_a_failure_of_the_server() -> None:
    app = FastAPI()
    app.post("/jupyter_sandbox")(
        lambda: {"status": "success", "output": EMPTY | {"stderr": "Traceback (most recent call last)"}}
    )
    with serving(app) as url, pytest.raises(SandboxError, match="could not load the images"):
        open_sandbox(HttpSandboxConfig(url=url), LIMITS).open([])


@pytest.mark.usefixtures("dead_proxy")
def test_the_token_comes_from_the_environment_and_no_proxy_leads_to_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OWN_TOKEN", " s3cret\n")
    with serving(make_app(LocalSandbox(), token="s3cret")) as url:
        config = HttpSandboxConfig(url=url, token_variable="OWN_TOKEN")
        assert open_sandbox(config).open([]).run("1 + 1").ok
        with pytest.raises(SandboxError, match="set DEEPEYES_SANDBOX_TOKEN"):
            open_sandbox(HttpSandboxConfig(url=url)).open([])


def test_a_token_that_cannot_be_sent_is_a_mistake_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPEYES_SANDBOX_TOKEN", "\u2603")
    with pytest.raises(ConfigError, match="DEEPEYES_SANDBOX_TOKEN"):
        open_sandbox(HttpSandboxConfig())


def test_more_episodes_than_the_server_takes_get_their_turn() -> None:
    app = make_app(LocalSandbox(), ServerLimits(cells=1, queue=1))
    with serving(app) as url, ThreadPoolExecutor(6) as pool:
        sandbox = open_sandbox(HttpSandboxConfig(url=url))

        def episode(number: int) -> str:
            session = sandbox.open([], seed=number)
            session.run(f"x = {number}")
            stdout = session.run("print(x)").stdout
            session.close()
            return stdout

        assert list(pool.map(episode, range(6))) == [f"{number}\n" for number in range(6)]


def test_a_server_that_comes_up_late_is_awaited() -> None:
    with serving(make_app(LocalSandbox())) as url:
        pass
    port = int(url.rpartition(":")[2])
    sandbox = open_sandbox(HttpSandboxConfig(url=url, retry_seconds=120))
    with ThreadPoolExecutor(1) as pool:
        session = pool.submit(sandbox.open, [])
        time.sleep(0.2)
        assert not session.done()
        with serving(make_app(LocalSandbox()), port):
            assert session.result(120).run("print(1)").stdout == "1\n"


def test_a_session_that_the_server_has_lost_is_a_failure_of_the_server() -> None:
    with serving(make_app(LocalSandbox())) as url:
        session = open_sandbox(HttpSandboxConfig(url=url)).open([])
        session.run("kept = 1")
        assert session.run("import os\nos._exit(1)").status is CellStatus.CRASHED
        assert session.run("kept = 2").ok  # a new session that the client has asked for
        gone = httpx.post(f"{url}/clear_session", json={"session_id": session._id})  # type: ignore[attr-defined]
        assert gone.is_success
        with pytest.raises(SandboxError, match=r"has lost this session: .*idle-seconds"):
            session.run("print(kept)")
        with pytest.raises(SandboxError, match="closed"):
            session.run("print(1)")
        assert httpx.get(f"{url}/health").json()["sessions"] == 0


@pytest.mark.parametrize("told", [True, False, "yes", None])
def test_only_a_server_that_says_so_has_lost_a_session(told: object) -> None:
    if told is True:
        with pytest.raises(SandboxError, match="lost this session"):
            run(lambda _: output(new_session=told))
    else:
        assert run(lambda _: output(new_session=told)).ok


def test_a_closed_client_says_so() -> None:
    with serving(make_app(LocalSandbox())) as url:
        sandbox = open_sandbox(HttpSandboxConfig(url=url))
        session = sandbox.open([])
        sandbox.close()
        sandbox.close()
        with pytest.raises(SandboxError):
            session.run("1")
        session.close()


def test_an_environment_runs_its_code_there() -> None:
    turn = "<think>a</think>\n<code>\n```python\nprint(image_1.size)\n```\n</code>"
    with serving(make_app(LocalSandbox())) as url:
        env = DeepEyesEnv(sandbox_backend={"kind": "http", "url": url, "dialect": "run_jupyter"})
        env.reset(seed=1)
        size = env.episode.sandbox_images()[0].size
        observation, *_, info = env.step(turn)
        assert info["tool_ok"]
        assert str(size) in observation["text"]
        env.close()


def test_an_episode_whose_server_fails_is_not_scored() -> None:
    turn = "<think>a</think>\n<code>\n```python\n1\n```\n</code>"
    env = DeepEyesEnv(sandbox_backend={"kind": "http", "url": "http://127.0.0.1:1", "retry_seconds": 0})
    env.reset(seed=1)
    _, reward, terminated, truncated, info = env.step(turn)
    assert (reward, terminated, truncated, info["outcome"]) == (0.0, False, True, "infra_failed")
    assert "cannot be reached" in env.telemetry.failures[0]


def test_the_core_needs_none_of_the_libraries() -> None:
    program = """
import sys
for name in ("httpx", "tenacity", "fastapi", "uvicorn", "e2b_code_interpreter"):
    sys.modules[name] = None
import deepeyes_env, deepeyes_env.serve
from deepeyes_env.errors import ConfigError
from deepeyes_env.sandbox import E2BSandboxConfig, HttpSandboxConfig, SandboxUnavailableError, open_sandbox
for config, extra in ((HttpSandboxConfig(), "http"), (E2BSandboxConfig(), "e2b")):
    try:
        open_sandbox(config)
    except SandboxUnavailableError as error:
        assert f"pip install 'deepeyes-gym[{extra}]'" in str(error)
        print(extra)
try:
    deepeyes_env.serve.main(["sandbox"])
except ConfigError as error:
    assert "pip install 'deepeyes-gym[serve]'" in str(error)
    print("serve")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert done.stdout.split() == ["http", "e2b", "serve"], done.stderr
