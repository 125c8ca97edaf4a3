"""Remote environments: the same bytes as local ones, limits, and what happens when one side goes away."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gymnasium as gym
import httpcore
import httpx
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from httpcore._backends.sync import SyncBackend
from PIL import Image

from deepeyes_env import ConfigError, DeepEyesAsyncEnv, DeepEyesEnv, DeepEyesVectorEnv, EnvConfig, runner
from deepeyes_env.env import RemoteEpisodeError
from deepeyes_env.host import Place
from deepeyes_env.images import EncodedImage, ImageError
from deepeyes_env.kept_images import KeptImages
from deepeyes_env.remote import connection
from deepeyes_env.remote.error import TOKEN_VARIABLE, RemoteError
from deepeyes_env.remote.host import RemoteHost
from deepeyes_env.remote.server.app import EnvServerLimits, make_app
from deepeyes_env.serve import main
from deepeyes_env.task import Split, Task
from deepeyes_env.tasks.dataset_error import DatasetError
from deepeyes_env.testing import adapter_config, check_adapter
from deepeyes_env.testing.reference import AsyncEnvDriver, SingleEnvDriver

# The helpers of other rooms' tests.
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "sandbox"))
from env_parts import (
    InProcessSandbox,
    InProcessSession,
    ListSource,
    OnePageEngine,
    answer,
    code,
    make_source,
    make_task,
)
from serving import serving

PATIENCE = 120.0
"""Seconds that a test waits for anything."""


class Waiting(InProcessSession):
    """A cell that says `wait` waits for the gate."""

    gate = threading.Event()
    waiting = threading.Event()

    def run(self, code: str) -> Any:
        if "wait" in code:
            self.waiting.set()
            assert self.gate.wait(PATIENCE)
            return super().run("")
        return super().run(code)


class Sandbox(InProcessSandbox):
    def open(self, images: Sequence[Image.Image], seed: int = 0) -> InProcessSession:
        self.sessions.append(Waiting(images, seed))
        return self.sessions[-1]


@contextmanager
def a_server(
    token: str | None = None,
    sandbox: Sandbox | None = None,
    tasks: ListSource | None = None,
    max_images: int = 50,
    **limits: Any,
) -> Iterator[str]:
    config = EnvConfig(prompt="minimal", max_turns=4, max_images=max_images)
    app = make_app(
        config, EnvServerLimits(**limits), token, tasks=tasks or make_source(), sandbox=sandbox or Sandbox()
    )
    with serving(app) as url:
        yield url


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def health(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/health", timeout=PATIENCE).json()
    return found


class RemoteSingle(SingleEnvDriver):
    url = ""

    def make(self) -> DeepEyesEnv:
        return DeepEyesEnv(remote=self.url)


class RemoteAsync(AsyncEnvDriver):
    url = ""

    def make(self, num_envs: int) -> DeepEyesAsyncEnv:
        return DeepEyesAsyncEnv(num_envs, remote=self.url)


@pytest.mark.parametrize("driver", [RemoteSingle, RemoteAsync])
def test_a_remote_environment_passes_the_kit(driver: type) -> None:
    with serving(make_app(adapter_config())) as url:
        played = driver()
        played.url = url
        check_adapter(played)
        wait_for(lambda: health(url) == {"status": "ok", "sessions": 0, "episodes": 0})


def same(one: Any, other: Any) -> None:
    """Equal, and of the same types."""
    np.testing.assert_equal(one, other)
    assert json.dumps(one[-1]) == json.dumps(other[-1])


def test_it_is_the_local_environment_drawn_tasks_and_infos_included() -> None:
    local = DeepEyesEnv(tasks=make_source(), sandbox=Sandbox(), prompt="minimal", max_turns=4)
    with a_server() as url:
        env = gym.make("DeepEyes-v0", remote=url)
        same(env.reset(seed=4), local.reset(seed=4))
        with pytest.raises(RemoteEpisodeError, match="runs elsewhere"):
            _ = env.unwrapped.episode
        same(env.step(code("print(SEED)\n'\\ud800'")), local.step(code("print(SEED)\n'\\ud800'")))
        lone = answer("\ud800 é 中")
        same(env.step(lone), local.step(lone))
        assert env.unwrapped.reward == local.reward
        for _ in range(2):  # the generators go on in step
            same(env.reset(), local.reset())
            same(env.step("nothing"), local.step("nothing"))
        with pytest.raises(ResetNeeded):
            env.step("late")
        env.close()
        same(env.reset(seed=1), local.reset(seed=1))  # as after close() of a local one
        env.close()


def test_the_vector_environment_begins_ended_slots_anew() -> None:
    settings: dict[str, Any] = {"tasks": make_source(), "sandbox": Sandbox(), "prompt": "minimal"}
    local = DeepEyesVectorEnv(2, max_turns=4, **settings)
    with a_server() as url:
        envs = gym.make_vec("DeepEyes-v0", num_envs=2, remote=url)
        with pytest.raises(ResetNeeded):
            envs.step(["a", "b"])
        np.testing.assert_equal(envs.reset(seed=3), local.reset(seed=3))
        for turns in (["nothing", code("print(1)")], ["ignored", answer(1)], [answer(2), "ignored"]):
            np.testing.assert_equal(envs.step(turns), local.step(turns))
        envs.close()
    local.close()


def test_an_image_is_sent_once_in_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = connection.Connection._ask

    def counted(self: Any, lease: Any, method: str, path: str, *rest: Any) -> bytes:
        asked.extend([path] if method == "GET" else [])
        return ask(self, lease, method, path, *rest)

    monkeypatch.setattr(connection.Connection, "_ask", counted)
    with a_server() as url:
        env = DeepEyesEnv(remote=url)
        for _ in range(3):
            env.reset(seed=0, options={"index": 0})
            for _ in range(2):
                env.step(code("show(image_1.resize((112, 56)))"))
        assert len(asked) == len(set(asked)) == 2
        monkeypatch.setattr(env._host._connection, "_images", KeptImages(max_bytes=0))
        env.reset(seed=0, options={"index": 1})
        env.reset(seed=0, options={"index": 1})
        assert len(asked) == 4
        env.close()


def test_two_clients_have_sessions_of_their_own() -> None:
    with a_server() as url:
        one, two = DeepEyesEnv(remote=url), DeepEyesEnv(remote=url)
        for env in (one, two):
            env.reset(seed=0, options={"index": 0})
        one.step(code("x = 1"))
        assert "False" in two.step(code("print('x' in globals())"))[0]["text"]
        assert health(url) == {"status": "ok", "sessions": 2, "episodes": 2}
        one.close()
        wait_for(lambda: health(url)["sessions"] == 1)
        assert two.step(answer(0))[1] == 1.0
        assert health(url)["episodes"] == 0
        two.close()


def drop_stream(envs: Any) -> None:
    envs._host._connection._lease.stream.close()


def test_a_dropped_connection_ends_what_runs_in_it() -> None:
    Waiting.gate.clear()
    Waiting.waiting.clear()
    sandbox = Sandbox()
    with a_server(sandbox=sandbox) as url:
        envs = DeepEyesVectorEnv(2, remote=url)
        for slot in range(2):
            envs.begin(slot, index=slot)
            envs.submit(slot, code("print(1)"))
        while envs.ready():
            pass
        envs.submit(0, code("wait"))
        assert Waiting.waiting.wait(PATIENCE)
        drop_stream(envs)
        ((_, result),) = envs.ready()
        assert (result.info["outcome"], result.reward, result.truncated) == ("infra_failed", 0.0, True)
        wait_for(lambda: health(url)["sessions"] == 0)
        wait_for(lambda: sandbox.sessions[1].closed)
        Waiting.gate.set()
        wait_for(lambda: all(session.closed for session in sandbox.sessions))
        envs.begin(0, index=3)  # in a new session
        assert health(url)["sessions"] == 1
        envs.close()


class Gated(ListSource):
    """Its tasks wait for the gate."""

    def __init__(self) -> None:
        super().__init__([make_task(0)], OnePageEngine())
        self.asked, self.gate = threading.Event(), threading.Event()

    def task(self, index: int, split: Split = "train") -> Task:
        self.asked.set()
        assert self.gate.wait(PATIENCE)
        return super().task(index, split)


def test_who_begins_while_the_environment_is_closed_opens_no_session() -> None:
    tasks = Gated()
    with a_server(tasks=tasks) as url:
        host = RemoteHost(url)
        begun = host.runner()
        with ThreadPoolExecutor(1) as thread:
            beginning = thread.submit(begun.begin, Place(0, "train", 0))
            assert tasks.asked.wait(PATIENCE)
            host.close()
            wait_for(lambda: health(url)["sessions"] == 0)
            assert health(url)["episodes"] == 1  # it counts as long as it begins
            tasks.gate.set()
            with pytest.raises(RemoteError, match="was closed"):
                beginning.result(PATIENCE)
        wait_for(lambda: health(url) == {"status": "ok", "sessions": 0, "episodes": 0})
        begun.begin(Place(0, "train", 0))  # who comes later does
        assert health(url) == {"status": "ok", "sessions": 1, "episodes": 1}
        host.close()


def test_limits_hold_when_clients_drop_what_they_began() -> None:
    Waiting.gate.clear()
    Waiting.waiting.clear()
    sandbox = Sandbox()
    with a_server(sandbox=sandbox, episodes=2, turns=1) as url:
        first, second, third = (DeepEyesVectorEnv(1, remote=url) for _ in range(3))
        first.begin(0, index=0)
        second.begin(0, index=1)
        first.submit(0, code("wait"))
        assert Waiting.waiting.wait(PATIENCE)
        drop_stream(first)  # its turn is performed on
        wait_for(lambda: health(url)["sessions"] == 2)
        assert health(url)["episodes"] == 2
        with pytest.raises(RemoteError, match="2 episodes run"):
            third.begin(0, index=2)
        second.submit(0, code("print(1)"))
        time.sleep(0.5)  # for the turn to come, and to wait for the first
        assert len(sandbox.sessions) == 1
        drop_stream(second)
        wait_for(lambda: health(url) == {"status": "ok", "sessions": 1, "episodes": 1})
        third.begin(0, index=2)
        third.submit(0, code("print(1)"))
        time.sleep(0.5)
        assert len(sandbox.sessions) == 1
        Waiting.gate.set()
        assert third.ready()[0][1].info["tool_ok"]
        wait_for(lambda: health(url) == {"status": "ok", "sessions": 1, "episodes": 1})
        assert [session.closed for session in sandbox.sessions] == [True, False]
        for envs in (first, second, third):
            envs.close()


def test_an_idle_session_is_closed() -> None:
    with a_server(idle_seconds=0.4) as url:
        env = DeepEyesEnv(remote=url)
        env.reset(seed=0)
        wait_for(lambda: health(url)["sessions"] == 0)
        assert env.step(answer(1))[-1]["outcome"] == "infra_failed"
        assert "the session has ended" in env.telemetry.failures[0]
        env.close()


class Unsteady:
    """Connections of which the next ones fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing = 0
        self._connect = SyncBackend.connect_tcp
        monkeypatch.setattr(SyncBackend, "connect_tcp", self.connect)

    def connect(self, *args: Any, **options: Any) -> Any:
        if self.failing:
            self.failing -= 1
            raise httpcore.ConnectTimeout("lost on the way")
        return self._connect(SyncBackend(), *args, **options)


def test_a_connection_that_fails_is_tried_again_and_costs_no_other_episode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "KEEPALIVE_SECONDS", 0.0)  # each request makes a connection
    unsteady = Unsteady(monkeypatch)
    with a_server() as url:
        unsteady.failing = 2
        env = DeepEyesEnv(remote=url)
        env.reset(seed=0, options={"index": 0})
        unsteady.failing = 2
        assert env.step(code("print(1)"))[-1]["tool_ok"]
        other = env._host.runner()  # type: ignore[attr-defined]
        other.begin(Place(1, "train", 0))
        unsteady.failing = connection.CONNECT_ATTEMPTS + 1  # with the attempt to end the episode
        assert other.step(code("print(1)")).info["outcome"] == "infra_failed"
        assert unsteady.failing == 0
        assert env.step(answer(0))[1] == 1.0
        assert health(url)["sessions"] == 1
        env.close()


def test_a_killed_server_is_no_fault_of_the_policy(tmp_path: Path) -> None:
    settings = tmp_path / "env.toml"
    settings.write_text('prompt = "minimal"\nsource = {families = ["closer-look"], difficulty = 0.0}\n')
    command = [
        sys.executable,
        "-m",
        "deepeyes_env.cli",
        "serve",
        "env",
        "--port",
        "0",
        "--env",
        str(settings),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().partition(" at ")[2].partition(";")[0]
            env = DeepEyesEnv(remote=url)
            env.reset(seed=0)
            assert env.config.source == EnvConfig().source  # where the tasks come from is not told
            observation, reward, *_ = env.step(code("print(image_1.size)"))
            assert ("(448, 448)" in observation["text"], reward) == (True, 0.0)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    observation, reward, terminated, truncated, info = env.step(answer(1))
    assert (observation["text"], reward, terminated, truncated) == ("", 0.0, False, True)
    assert (info["outcome"], info["action"], info["turn"]) == ("infra_failed", "answer", 2)
    assert "environment server" in env.telemetry.failures[0]
    with pytest.raises(RemoteError, match="start it"):
        env.reset()
    env.close()


def test_who_may_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_server(token="right") as url:
        for token in ("", "wrong"):
            monkeypatch.setenv(TOKEN_VARIABLE, token)
            with pytest.raises(RemoteError, match=f"401: set {TOKEN_VARIABLE}"):
                DeepEyesEnv(remote=url)
        for token in ("right", " right\t", "right\n"):
            monkeypatch.setenv(TOKEN_VARIABLE, token)
            env = DeepEyesEnv(remote=url)
            env.reset(seed=0)
            env.close()
    for token in ("", " \n"):
        monkeypatch.setenv(TOKEN_VARIABLE, token)
        with pytest.raises(ConfigError, match=f"run code; set {TOKEN_VARIABLE}"):
            main(["env", "--host", "0.0.0.0", "--port", "0"])


@pytest.mark.parametrize("token", ["two\nlines", "schlüssel"])
def test_a_token_that_no_request_can_carry_is_told_on_both_sides(
    monkeypatch: pytest.MonkeyPatch, token: str, hostile: str
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    for refused in (lambda: DeepEyesEnv(remote=hostile), lambda: main(["env", "--port", "0"])):
        with pytest.raises(ConfigError, match=f"key in {TOKEN_VARIABLE} holds characters"):
            refused()


@pytest.mark.usefixtures("dead_proxy")
def test_a_proxy_is_not_asked_for_this_machine_and_is_named_elsewhere() -> None:
    with a_server() as url:
        for address in (url, url.replace("127.0.0.1", "localhost")):
            env = DeepEyesEnv(remote=address)
            env.reset(seed=0)
            env.close()
        with pytest.raises(
            RemoteError, match="through the proxy of http_proxy, cannot be reached"
        ) as refused:
            DeepEyesEnv(remote="http://elsewhere.example")
        assert "secret" not in str(refused.value)
        with pytest.raises(RemoteError, match="the environment server cannot be reached"):
            DeepEyesEnv(remote="http://127.0.0.1:1")


def test_a_page_of_another_site_may_not_come_in(shared_url: str) -> None:
    for origin, status in (
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("null", 403),
        ("http://localhost:3000", 422),
        (None, 422),
    ):
        headers = {} if origin is None else {"Origin": origin}
        reply = httpx.post(f"{shared_url}/sessions/none/episodes", content=b"{}", headers=headers)
        assert reply.status_code == status, origin


def test_a_question_may_have_more_images_than_its_tools() -> None:
    pictures = tuple(EncodedImage.from_pil(Image.new("RGB", (56, 56), (grey,) * 3)) for grey in (9, 99))
    tasks = ListSource([replace(make_task(0), images=pictures)], OnePageEngine())
    with a_server(tasks=tasks, max_images=1) as url:
        env = DeepEyesEnv(remote=url)
        assert len(env.reset(seed=0)[0]["images"]) == 2
        env.close()


class Unusable:
    @staticmethod
    def from_bytes(data: bytes) -> EncodedImage:
        raise ImageError("no picture")


def test_an_episode_whose_beginning_cannot_be_read_is_let_go() -> None:
    with a_server(episodes=1) as url:
        env = DeepEyesEnv(remote=url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "EncodedImage", Unusable)
            with pytest.raises(RemoteError, match="unusable image"):
                env.reset(seed=0)
        env.reset(seed=0)  # there is room for one
        env.close()


def test_limits() -> None:
    with a_server(sessions=1, episodes=1, max_body_bytes=10_000) as url:
        envs = DeepEyesVectorEnv(2, remote=url)
        with pytest.raises(RemoteError, match="503: it is full"):
            DeepEyesEnv(remote=url)
        envs.begin(0, index=0)
        with pytest.raises(RemoteError, match="503: it is full"):
            envs.begin(1, index=1)
        envs.submit(0, "x" * 20_000)
        assert envs.ready()[0][1].info["outcome"] == "infra_failed"
        envs.begin(1, index=1)  # the failed one was let go
        envs.close()
    with pytest.raises(ConfigError, match="must be above 0"):
        EnvServerLimits(turns=0)


def test_settings_are_the_servers() -> None:
    with pytest.raises(ConfigError, match="max_turns: with `remote` the server decides"):
        DeepEyesEnv(remote="http://127.0.0.1:1", max_turns=3)
    with pytest.raises(ConfigError, match="cannot be shown here"):
        DeepEyesEnv(remote="http://127.0.0.1:1", render_mode="ansi")
    with pytest.raises(RemoteError, match="deepeyes serve env"):
        DeepEyesEnv(remote="http://127.0.0.1:1")
    with a_server() as url:
        env = DeepEyesEnv(remote=url)
        assert (env.config.max_turns, env.tasks.size("test")) == (4, 8)
        with pytest.raises(ConfigError, match="stay on its server"):
            env.tasks.task(0)
        with pytest.raises(ConfigError, match="has 8 tasks"):
            env.reset(options={"index": 8})
        env.close()


@pytest.mark.parametrize(
    "body",
    [
        {"index": 8, "split": "test", "seed": 0},
        {"index": None, "split": "test", "seed": 0},
        {"index": True, "split": "test", "seed": 0},
        {"index": 1, "split": ["x"], "seed": 0},
        {"index": 1, "split": "test", "seed": -1},
        {"index": 1, "split": "test", "seed": 1.5},
        [],
    ],
)
def test_bad_requests_are_refused(shared_url: str, body: Any) -> None:
    right = {"index": 1, "split": "test", "seed": 0}
    with (
        httpx.Client(base_url=shared_url, timeout=PATIENCE) as client,
        client.stream("POST", "/sessions") as greet,
    ):
        lines = greet.iter_lines()  # httpx closes the stream with this iterator
        name = json.loads(next(lines))["session"]
        assert client.post(f"/sessions/{name}/episodes", json=body).status_code == 422
        assert client.post("/sessions/other/episodes", json=right).status_code == 410
        assert client.get(f"/sessions/{name}/images/{'0' * 64}").status_code == 404


class Incomplete(ListSource):
    """A picture of the second task is missing, and a package for the third."""

    def task(self, index: int, split: Split = "train") -> Task:
        if index == 1:
            raise DatasetError("train.parquet", "images/1.png is missing", "download it", row=1)
        if index == 2:
            raise ConfigError("the real world needs holidays")
        return super().task(index, split)


def test_an_error_on_the_server_is_told_on_both_sides(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def defect(*_: Any) -> None:
        raise ValueError("a defect\x1b[31m" + "!" * 10_000)

    monkeypatch.setattr(runner, "score", defect)
    with a_server(tasks=Incomplete([make_task(index) for index in range(3)], OnePageEngine())) as url:
        env = DeepEyesEnv(remote=url)
        with pytest.raises(RemoteError, match=r"500: look at its log \(DatasetError: .*1.png is missing"):
            env.reset(options={"index": 1})
        with pytest.raises(RemoteError, match=r"500: look at its log \(ConfigError: .*needs holidays"):
            env.reset(options={"index": 2})
        env.reset(options={"index": 0})
        assert env.step(answer(0))[-1]["outcome"] == "infra_failed"
        (failure,) = env.telemetry.failures
        assert "500: look at its log (ValueError: a defect [31m!!!" in failure
        assert len(failure) < 1_000
        asked = env._host._connection  # type: ignore[attr-defined]
        with pytest.raises(RemoteError, match=r"422: .* \(index = 9: split 'test' has 3 tasks"):
            asked.post(asked.lease(asked.generation), "/episodes", {"index": 9, "split": "test", "seed": 0})
        assert health(url)["episodes"] == 0
        env.close()
    logged = capfd.readouterr().err
    assert "images/1.png is missing" in logged
    assert "a defect" in logged


@pytest.fixture(scope="module")
def shared_url() -> Iterator[str]:
    with a_server() as url:
        yield url


class Hostile(BaseHTTPRequestHandler):
    """Greets as an honest server, and answers a turn with `reply`."""

    protocol_version = "HTTP/1.1"
    greeting: bytes = b""
    reply: bytes = b""
    picture: bytes = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        begun = {"episode": "e", "observation": {"text": "?", "images": []}, "info": {"task_id": "t"}}
        kind = self.path.rpartition("/")[2]
        self._send(
            {"sessions": self.greeting + b"\n", "episodes": json.dumps(begun).encode()}.get(kind, self.reply)
        )

    def do_GET(self) -> None:
        self._send(self.picture)

    def do_DELETE(self) -> None:
        self._send(b"")

    def _send(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def hostile(shared_url: str) -> Iterator[str]:
    with httpx.Client(base_url=shared_url) as client, client.stream("POST", "/sessions") as greet:
        Hostile.greeting = next(greet.iter_lines()).encode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def reply(**changes: Any) -> bytes:
    parts = {"accuracy": 1.0, "format": 1.0, "total": 1.0, "outcome": "answered"}
    fields = {
        "observation": {"text": "", "images": []},
        "reward": 1.0,
        "terminated": True,
        "truncated": False,
    }
    return json.dumps(fields | {"info": parts} | changes).encode()


@pytest.mark.parametrize(
    ("answered", "why"),
    [
        (b"\x80\x04\x95cos\nsystem\n.", "not ours"),
        (b"[" * 100_000, "not ours"),
        (b"[]", "not ours"),
        (reply(reward="1"), "finite number"),
        (reply(reward=float("inf")), "finite number"),
        (reply(terminated=1), "true or false"),
        (reply(info={"a": {"b": 1}}), "must be a text"),
        (reply(info={}), "lacks the parts"),
        (reply(info={"accuracy": 1.0, "format": 1.0, "total": 1.0}), "lacks its outcome"),
        (reply(info={"accuracy": float("nan")}), "finite number"),
        (reply(observation={"text": "", "images": ["../../etc/passwd"]}), "SHA-256"),
        (reply(observation={"text": "", "images": ["0" * 64] * 51}), "at most 50 images"),
        (reply(observation={"text": "", "images": ["0" * 64]}), "hash is another"),
        (reply(observation={"text": "x" * 300_000, "images": []}), "exceeds"),
    ],
)
def test_hostile_replies_are_failures_of_the_infrastructure(
    hostile: str, monkeypatch: pytest.MonkeyPatch, answered: bytes, why: str
) -> None:
    monkeypatch.setattr(connection, "MAX_REPLY_BYTES", 200_000)
    Hostile.reply = answered
    env = DeepEyesEnv(remote=hostile)
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(answer(1))
    assert (reward, terminated, truncated, info["outcome"]) == (0.0, False, True, "infra_failed")
    assert why in env.telemetry.failures[0], env.telemetry.failures
    env.close()


def test_an_honest_reply_of_the_same_server_is_taken(hostile: str) -> None:
    Hostile.reply = reply()
    env = DeepEyesEnv(remote=hostile)
    env.reset(seed=0)
    assert env.step(answer(1))[1:4] == (1.0, True, False)
    env.close()


@pytest.mark.parametrize("greeting", [b"hello", b"{}", b'{"protocol": 1, "session": "a/../b"}'])
def test_another_service_is_told(hostile: str, monkeypatch: pytest.MonkeyPatch, greeting: bytes) -> None:
    monkeypatch.setattr(Hostile, "greeting", greeting)
    with pytest.raises(RemoteError, match="no environment server"):
        DeepEyesEnv(remote=hostile)
