"""The code server as a client of the original sees it, and what it refuses."""

import base64
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image
from serving import serving

from deepeyes_env.errors import ConfigError
from deepeyes_env.sandbox import LocalSandbox, SandboxError, SandboxLimits
from deepeyes_env.sandbox.server.app import ServerLimits, make_app
from deepeyes_env.sandbox.server.dialects import split_echo
from deepeyes_env.serve import main

PATIENCE = 120.0
"""Seconds that a test waits for anything: a sandbox takes its time to start on a busy machine."""
LONG = "import time\ntime.sleep(60)"


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    with serving(make_app(LocalSandbox())) as url, httpx.Client(base_url=url, timeout=PATIENCE) as client:
        yield client


def ask(client: httpx.Client, code: str, path: str = "/jupyter_sandbox", **fields: Any) -> Any:
    body = {"session_id": "one", "code": code, "timeout": 30.0} | fields
    response = client.post(path, json=body)
    response.raise_for_status()
    return response.json()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_an_episode_of_the_original_environment(server: httpx.Client) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(picture, "PNG")
    text = base64.b64encode(picture.getvalue()).decode()
    start = f'from PIL import Image\nimport base64\nfrom io import BytesIO\n_img_base64 = "{text}"\n'
    start += "image_1 = Image.open(BytesIO(base64.b64decode(_img_base64)))"
    assert ask(server, start, session_id="episode")["status"] == "success"
    code = "import matplotlib.pyplot as plt\nplt.imshow(image_1.crop((0, 0, 9, 9)))\nplt.show()\nimage_1.size"
    reply = ask(server, code, session_id="episode")
    assert reply["output"]["stdout"] == "Out[1]: (40, 30)\n"
    assert reply["output"]["result"] == "(40, 30)\n"
    (image,) = reply["output"]["images"]
    assert Image.open(io.BytesIO(base64.b64decode(image, validate=True))).format == "PNG"


def test_the_two_dialects(server: httpx.Client) -> None:
    code = "from PIL import Image\nprint('a')\ndisplay(Image.new('RGB', (3, 2)))\n1 + 1"
    first = ask(server, code, session_id="v1")
    assert set(first) == {"status", "execution_time", "output"}
    assert (first["output"]["stdout"], first["output"]["result"]) == ("a\nOut[0]: 2\n", "2\n")
    second = ask(server, code, "/run_jupyter", session_id="v2")["output"]
    assert second["stdout"] == second["stdout_raw"] == "a\n2\n"
    assert second["images"] == ["data:image/png;base64," + first["output"]["images"][0]]


@pytest.mark.parametrize("path", ["/jupyter_sandbox", "/run_jupyter"])
def test_an_empty_cell_is_the_only_error(server: httpx.Client, path: str) -> None:
    assert ask(server, " \n", path)["status"] == "error"
    assert isinstance(ask(server, " \n", path)["output"], str)
    failed = ask(server, "1 / 0", path)
    assert failed["status"] == "success"
    assert "ZeroDivisionError" in failed["output"]["stderr"]


def test_the_timeout_of_the_request_holds(server: httpx.Client) -> None:
    ask(server, "kept = 1", session_id="timeout")
    output = ask(server, "while True: pass", session_id="timeout", timeout=0.3)["output"]
    assert "TimeOutError: code execution timed out" in output["stderr"]
    assert ask(server, "kept", session_id="timeout")["output"]["result"] == "1\n"


def test_the_limit_on_time_holds_for_any_request() -> None:
    with (
        serving(make_app(LocalSandbox(SandboxLimits(cell_seconds=0.3)))) as url,
        httpx.Client(base_url=url, timeout=PATIENCE) as c,
    ):
        assert "timed out" in ask(c, "while True: pass", timeout=1e9)["output"]["stderr"]


def test_after_a_crash_a_session_begins_anew_and_does_not_claim_to_have_its_images(
    server: httpx.Client,
) -> None:
    output = ask(server, "image_1 = 1\nimport os\nos._exit(1)", session_id="crash")["output"]
    assert output["cell_status"] == "crashed"
    assert "all variables are lost" in output["stderr"]
    after = ask(server, "print('image_1' in globals())", session_id="crash")["output"]
    assert (after["stdout"], after["stderr"]) == ("False\n", "")


@pytest.mark.parametrize("path", ["/jupyter_sandbox", "/run_jupyter"])
def test_a_cell_is_told_whether_its_session_was_opened_for_it(server: httpx.Client, path: str) -> None:
    def is_new(code: str) -> bool:
        told = ask(server, code, path, session_id=f"new {path}")["output"]["new_session"]
        assert isinstance(told, bool)
        return told

    assert [is_new("1"), is_new("1 / 0"), is_new("1")] == [True, False, False]
    assert [is_new("import os\nos._exit(1)"), is_new("1")] == [False, True]
    server.post("/clear_session", json={"session_id": f"new {path}"})
    assert [is_new("1"), is_new("1")] == [True, False]


def test_cleared_sessions_forget(server: httpx.Client) -> None:
    ask(server, "kept = 1", session_id="clear")
    for _ in range(2):
        assert server.post("/clear_session", json={"session_id": "clear"}).json() == {"status": "success"}
    assert ask(server, "print('kept' in globals())", session_id="clear")["output"]["stdout"] == "False\n"


def test_cells_of_one_session_run_one_after_another(server: httpx.Client) -> None:
    ask(server, "n = 0", session_id="counter")
    with ThreadPoolExecutor(8) as pool:
        code = "m = n\nimport time\ntime.sleep(0.01)\nn = m + 1"
        list(pool.map(lambda _: ask(server, code, session_id="counter"), range(16)))
    assert ask(server, "n", session_id="counter")["output"]["result"] == "16\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"code": "1"}', "application/json"),
        (b'{"session_id": "", "code": "1"}', "application/json"),
        (b'{"session_id": "x", "code": 1}', "application/json"),
        (b'{"session_id": "x", "code": "1", "timeout": NaN}', "application/json"),
        (b'{"session_id": "x", "code": "1", "timeout": 0}', "application/json"),
        (b"[]", "application/json"),
        (b"\xff", "application/json"),
        (b"[" * 100_000, "application/json"),
        # What a web page can send to another site without being asked for leave.
        (b'{"session_id": "x", "code": "1"}', "text/plain"),
    ],
)
def test_bad_requests_are_refused(server: httpx.Client, body: bytes, kind: str) -> None:
    for path in ("/jupyter_sandbox", "/run_jupyter"):
        response = server.post(path, content=body, headers={"Content-Type": kind})
        assert response.status_code in (400, 422), response.text


def test_without_a_token_only_loopback_names_are_served(server: httpx.Client) -> None:
    for name in ("localhost", "LocalHost:1", "127.0.0.1", "[::1]:18901"):
        assert server.get("/health", headers={"Host": name}).status_code == 200, name
    for name in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[", ""):
        assert server.get("/health", headers={"Host": name}).status_code == 400, name


def test_large_bodies_are_refused_unread() -> None:
    app = make_app(LocalSandbox(), ServerLimits(max_body_bytes=1_000))
    with serving(app) as url, httpx.Client(base_url=url, timeout=PATIENCE) as client:
        assert ask(client, "1 + 1")["status"] == "success"
        body = {"session_id": "one", "code": "#" * 2_000}
        assert client.post("/jupyter_sandbox", json=body).status_code == 413
        head = {"Content-Type": "application/json"}
        pieces = (b"#" * 100 for _ in range(100))
        assert client.post("/jupyter_sandbox", content=pieces, headers=head).status_code == 413


def test_a_token_is_asked_for() -> None:
    with (
        serving(make_app(LocalSandbox(), token="s3cret")) as url,
        httpx.Client(base_url=url, timeout=PATIENCE) as client,
    ):
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret"}):
            assert client.get("/health", headers=given).status_code == 401
        client.headers["Authorization"] = "Bearer s3cret"
        assert ask(client, "1 + 1")["status"] == "success"
        assert client.get("/health", headers={"Host": "gpu-node"}).status_code == 200


def test_a_busy_server_says_when_to_come_back() -> None:
    app = make_app(LocalSandbox(), ServerLimits(cells=1, queue=0))
    with serving(app) as url, httpx.Client(base_url=url, timeout=PATIENCE) as client:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(ask, client, LONG, timeout=3.0)
            wait_for(lambda: client.get("/health").json()["cells"] == 1)
            refused = client.post("/run_jupyter", json={"session_id": "two", "code": "1"})
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert running.result()["status"] == "success"
        assert ask(client, "1 + 1", session_id="two")["status"] == "success"


def test_sessions_are_bounded() -> None:
    app = make_app(LocalSandbox(), ServerLimits(sessions=1))
    with serving(app) as url, httpx.Client(base_url=url, timeout=PATIENCE) as client:
        ask(client, "1")
        refused = client.post("/jupyter_sandbox", json={"session_id": "two", "code": "1"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        client.post("/clear_session", json={"session_id": "one"})
        assert ask(client, "1", session_id="two")["status"] == "success"


def test_idle_sessions_expire() -> None:
    app = make_app(LocalSandbox(), ServerLimits(idle_seconds=0.2))
    with serving(app) as url, httpx.Client(base_url=url, timeout=PATIENCE) as client:
        ask(client, "kept = 1")
        wait_for(lambda: client.get("/health").json()["sessions"] == 0)
        assert ask(client, "print('kept' in globals())")["output"]["stdout"] == "False\n"


def test_a_failing_sandbox_is_the_servers_fault() -> None:
    sandbox = LocalSandbox()
    with serving(make_app(sandbox)) as url, httpx.Client(base_url=url, timeout=PATIENCE) as client:
        sandbox.close()
        response = client.post("/jupyter_sandbox", json={"session_id": "x", "code": "1"})
        assert response.status_code == 500
        assert "closed" in response.json()["detail"]
        assert client.get("/health").json()["sessions"] == 0


def test_stopping_does_not_wait_for_cells() -> None:
    sandbox = LocalSandbox()
    with httpx.Client(timeout=PATIENCE) as client, ThreadPoolExecutor(1) as pool:
        with serving(make_app(sandbox)) as url:
            client.base_url = httpx.URL(url)
            ask(client, "1")
            running = pool.submit(ask, client, LONG, timeout=100.0)
            wait_for(lambda: client.get("/health").json()["cells"] == 1)
        with pytest.raises(httpx.HTTPError):
            running.result(PATIENCE)
    with pytest.raises(SandboxError, match="closed"):
        sandbox.open([])


def test_the_command_serves_until_it_is_told_to_stop() -> None:
    program = "import sys\nfrom deepeyes_env.serve import main\nsys.exit(main(['sandbox', '--port', '0']))"
    environment = {key: value for key, value in os.environ.items() if key != "DEEPEYES_SANDBOX_TOKEN"}
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout
        url = process.stdout.readline().split(" at ")[1].split(";")[0]
        with httpx.Client(base_url=url, timeout=PATIENCE) as client:
            assert ask(client, "6 * 7")["output"]["result"] == "42\n"
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        assert not psutil.wait_procs(children, timeout=PATIENCE)[1]
    finally:
        process.kill()
        process.wait()


def test_it_is_not_opened_to_others_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPEYES_SANDBOX_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="DEEPEYES_SANDBOX_TOKEN"):
        main(["sandbox", "--host", "0.0.0.0", "--port", "0"])


@pytest.mark.parametrize("field", ["cells", "sessions", "idle-seconds", "max-body-bytes"])
def test_limits_that_allow_nothing_are_refused(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sandbox", f"--server.{field}", "0"])
    assert f"server.{field.replace('-', '_')} = 0" in capsys.readouterr().err


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen at 127.0.0.1:{port}"):
            main(["sandbox", "--port", str(port)])


def test_unknown_parts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbux"]) == 2
    assert "did you mean 'sandbox'?" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert main([]) == 2


def test_the_last_echo_is_the_value() -> None:
    assert split_echo("a\nOut[3]: 1\n") == ("a\n", "1\n")
    assert split_echo("Out[0]: x\nOut[1]: (1,\n 2)\n") == ("Out[0]: x\n", "(1,\n 2)\n")
    assert split_echo("no Out[1]: 2") == ("no Out[1]: 2", "")
