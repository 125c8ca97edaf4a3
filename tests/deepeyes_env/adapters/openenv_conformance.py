"""OpenEnv's own server, clients and checks on the adapter; run under OpenEnv by `test_openenv_adapter.py`."""

from __future__ import annotations

import asyncio
import json
import re
import runpy
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import websockets
from local_server import served
from openenv import GenericEnvClient
from websockets.sync.client import connect

from deepeyes_env.adapters import openenv as adapter
from deepeyes_env.adapters.openenv import DeepEyesAction, DeepEyesClient, DeepEyesObservation, make_app
from deepeyes_env.config import ConfigError
from deepeyes_env.kept_images import KeptImages
from deepeyes_env.sandbox.base import SandboxError
from deepeyes_env.testing import (
    Played,
    Script,
    Seen,
    adapter_config,
    adapter_scripts,
    check_adapter,
)

SESSIONS = 24
PACKAGE = Path(__file__).parents[3] / "packages" / "openenv"
RUNS_CODE = "<think>a</think>\n<code>\n```python\nprint(1)\n```\n</code>"


class Driver:
    """Plays through OpenEnv's server and our client: a WebSocket session for each script."""

    client: type[DeepEyesClient] = DeepEyesClient

    def __init__(self, url: str) -> None:
        self.url = url

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        return asyncio.run(self._all(scripts))

    async def _all(self, scripts: Sequence[Script]) -> list[Played]:
        return await asyncio.gather(*(self._one(script) for script in scripts))

    async def _one(self, script: Script) -> Played:
        async with self.client(base_url=self.url) as env:
            result = await env.reset(index=script.index, split=script.split, seed=script.seed)
            shown, rewards = [self.seen(result.observation)], []
            for turn in script.turns:
                result = await env.step(DeepEyesAction(turn=turn))
                rewards.append(result.reward)
                if not result.done:
                    shown.append(self.seen(result.observation))
            state = await env.state()
            assert state.step_count == len(script.turns)
            assert result.done == (state.outcome is not None)
            return Played(shown, rewards, state.outcome or "unfinished")

    def seen(self, observation: DeepEyesObservation) -> Seen:
        return Seen(observation.text, observation.encoded())


class LosesAnImage(Driver):
    """An adapter with a mistake: the last image of every observation that has two."""

    def seen(self, observation: DeepEyesObservation) -> Seen:
        images = observation.encoded()
        return Seen(observation.text, images[:-1] if len(images) == 2 else images)


class Counting(DeepEyesClient):
    """Counts the images that were sent and those of which only the hash was."""

    kept = KeptImages()
    sent: list[str] = []  # noqa: RUF012
    named: list[str] = []  # noqa: RUF012

    def _parse_result(self, payload: dict[str, Any]) -> Any:
        for image in payload["observation"]["images"]:
            (self.named if image["data"] is None else self.sent).append(image["sha256"])
        return super()._parse_result(payload)


class Broken:
    """A sandbox that has failed."""

    def open(self, images: Sequence[Any], seed: int = 0) -> Any:
        raise SandboxError("no more processes")

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Any:
    with served(make_app(adapter_config(), SESSIONS)) as address:
        yield address


def test_the_conformance_kit(url: str) -> None:
    check_adapter(Driver(url))


def test_the_kit_catches_a_broken_adapter(url: str) -> None:
    with pytest.raises(AssertionError, match="1 images, expected 2"):
        check_adapter(LosesAnImage(url))


def test_no_image_is_sent_twice(url: str) -> None:
    driver = Driver(url)
    driver.client = Counting
    for script in adapter_scripts()[:8]:
        driver.play([script])
        driver.play([script])
    assert len(Counting.sent) == len(set(Counting.sent)) > 3
    assert set(Counting.named) == set(Counting.sent)


def test_stock_clients_get_every_image(url: str) -> None:
    with GenericEnvClient(base_url=url).sync() as env:
        for _ in range(2):
            result = env.reset(index=0, split="train", seed=0)
            assert DeepEyesObservation(**result.observation).encoded()
        result = env.step({"turn": "<think>a</think>\n<answer>certainly something else</answer>"})
        assert result.done
        assert result.reward == result.observation["info"]["total"]


def test_the_documented_example(url: str, documented: Any, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("SERVER", url)
    exec(documented("OpenEnv"), {})
    assert capsys.readouterr().out.splitlines()[-1].startswith("True ")


def openenv(*arguments: str) -> None:
    """Run OpenEnv's own command line."""
    command = Path(sys.executable).with_name("openenv")
    done = subprocess.run([command, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_openenv_validates_the_running_server(url: str) -> None:
    openenv("validate", "--url", url, "--timeout", "60")


def test_openenv_validates_the_folder_of_the_image() -> None:
    openenv("validate", str(PACKAGE), "--level", "static", "--skip-build")


def test_the_image_starts_a_healthy_server() -> None:
    """The Dockerfile's own commands, outside of a container and on another port."""
    dockerfile = (PACKAGE / "server" / "Dockerfile").read_text()
    start, health = (json.loads(line) for line in re.findall(r"CMD (\[.*\])", dockerfile)[::-1])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    start = [word.replace("8000", port) for word in start]
    server = subprocess.Popen([sys.executable, "-m", *start], cwd=PACKAGE)
    try:
        check = [sys.executable, *(word.replace("8000", port) for word in health[1:])]
        while subprocess.run(check, capture_output=True).returncode:
            assert server.poll() is None, "the server ended"
            time.sleep(0.5)
        with DeepEyesClient(base_url=f"http://127.0.0.1:{port}").sync() as env:
            assert env.reset(index=0, seed=0).observation.encoded()
    finally:
        server.terminate()
        server.wait(30)


def test_the_command_listens_to_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    served_at: dict[str, Any] = {}
    monkeypatch.setattr(adapter, "app", lambda: None)
    monkeypatch.setattr(uvicorn, "run", lambda app, **where: served_at.update(where))
    runpy.run_path(str(PACKAGE / "server" / "app.py"))["main"]()
    assert served_at["host"] == "127.0.0.1"


def test_what_is_wrong_is_said() -> None:
    with served(make_app(adapter_config(), 1)) as url, DeepEyesClient(base_url=url).sync() as env:
        with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
            env.step(DeepEyesAction(turn="x"))
        with pytest.raises(RuntimeError, match="did you mean 'index'"):
            env.reset(indexx=0)
        with pytest.raises(RuntimeError, match="split = 'trian'"):
            env.reset(split="trian")
        assert env.reset(index=0, seed=0).observation.text
        with pytest.raises(RuntimeError, match="CAPACITY_REACHED"):
            DeepEyesClient(base_url=url).sync().reset(index=0)
        assert env.step(DeepEyesAction(turn="\ud800")).observation.info["outcome"] == "malformed"


def test_a_page_of_another_site_may_not_come_in(url: str) -> None:
    for origin, status in (("http://evil.example", 403), ("null", 403), (url, 200)):
        assert httpx.get(f"{url}/health", headers={"Origin": origin}).status_code == status
    reset, socket_url = json.dumps({"type": "reset", "data": {"index": 0}}), f"ws{url[4:]}/ws"
    with pytest.raises(websockets.InvalidStatus, match="403"):
        connect(socket_url, origin="http://evil.example")
    with connect(socket_url, origin=url) as page:  # OpenEnv's own
        page.send(reset)
        assert json.loads(page.recv())["type"] == "observation"


def test_other_addresses_than_loopback_are_not_guarded() -> None:
    async def app(*_: Any) -> None:
        reached.append(True)

    reached: list[bool] = []
    scope = {"type": "websocket", "headers": [(b"host", b"x"), (b"origin", b"https://x")]}
    for server in (("10.0.0.7", 8000), None):
        asyncio.run(adapter.LoopbackGate(app)({**scope, "server": server}, None, None))
    assert reached == [True, True]


def test_sessions_that_nobody_ends_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "IDLE_SECONDS", 0.1)
    begin = {"jsonrpc": "2.0", "id": 1, "method": "openenv/session/create", "params": {}}
    with served(make_app(adapter_config(), 1)) as url:
        assert httpx.post(f"{url}/mcp", json=begin).json()["result"]
        with pytest.raises(RuntimeError, match="CAPACITY_REACHED"):
            DeepEyesClient(base_url=url).sync().reset(index=0)
        while "error" in httpx.post(f"{url}/mcp", json=begin).json():
            time.sleep(0.2)  # OpenEnv looks every 5 s


@pytest.mark.parametrize("sessions", ["0", "-1", "many"])
def test_a_number_of_sessions_that_cannot_be_is_refused(
    sessions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_CONCURRENT_ENVS", sessions)
    with pytest.raises(
        ConfigError, match=f"MAX_CONCURRENT_ENVS = '{sessions}': must be a whole number from 1"
    ):
        adapter.app()


def test_a_failed_sandbox_is_an_error_and_no_reward() -> None:
    app = make_app(adapter_config(), 2, sandbox=Broken())
    with served(app) as url, DeepEyesClient(base_url=url).sync() as env:
        env.reset(index=0, seed=0)
        with pytest.raises(RuntimeError, match="no more processes"):
            env.step(DeepEyesAction(turn=RUNS_CODE))
        assert env.state().outcome == "infra_failed"
        with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
            env.step(DeepEyesAction(turn=RUNS_CODE))
        assert not env.reset(index=0, seed=0).done
