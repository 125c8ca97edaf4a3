"""The real SDK against a server on this machine: what is asked of the service, what its failures become."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from e2b_server import KEY, E2BServer
from PIL import Image
from serving import serving

from deepeyes_env.sandbox import (
    CellStatus,
    E2BSandboxConfig,
    LocalSandbox,
    SandboxError,
    SandboxLimits,
    SandboxUnavailableError,
    open_sandbox,
)
from deepeyes_env.sandbox.e2b import E2BSandbox

LIMITS = SandboxLimits(cell_seconds=30.0, pixels_per_image=10_000)
PHOTO = Image.new("RGB", (8, 6), "blue")


@pytest.fixture(scope="module")
def kernels() -> Iterator[LocalSandbox]:
    sandbox = LocalSandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture
def server(kernels: LocalSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[E2BServer]:
    made = E2BServer(kernels)
    with serving(made.app) as url:
        for name, value in (("E2B_API_KEY", KEY), ("E2B_API_URL", url), ("E2B_SANDBOX_URL", url)):
            monkeypatch.setenv(name, value)
        yield made


def said(server: E2BServer, *lines: dict[str, Any]) -> None:
    """Let `/execute` say these lines in place of running cells."""
    server.lines = list(lines)


def test_a_machine_has_no_internet_access_and_a_lifetime(server: E2BServer) -> None:
    sandbox = open_sandbox(E2BSandboxConfig(template="own", session_seconds=77), LIMITS)
    sandbox.open([]).close()
    (asked,) = server.created
    assert (asked["templateID"], asked["timeout"]) == ("own", 77)
    assert asked["allow_internet_access"] is False


def test_images_are_sent_once_as_files(server: E2BServer) -> None:
    session = open_sandbox(E2BSandboxConfig(), LIMITS).open([PHOTO, PHOTO.rotate(90, expand=True)])
    (machine,) = server.machines.values()
    sizes = {path: Image.open(io.BytesIO(data)).size for path, data in machine.files.items()}
    assert sizes == {"/tmp/deepeyes/image_1.png": (8, 6), "/tmp/deepeyes/image_2.png": (6, 8)}
    machine.files = dict.fromkeys(machine.files, b"")
    session.run("import os\nos._exit(1)")
    with pytest.raises(SandboxError, match="could not be loaded"):
        session.run("1")  # from the files, which are empty now


def test_machines_end_with_their_session_and_with_the_sandbox(server: E2BServer) -> None:
    sandbox = open_sandbox(E2BSandboxConfig(), LIMITS)
    one, two = sandbox.open([]), sandbox.open([])
    one.close()
    assert (len(server.killed), len(server.machines)) == (1, 1)
    sandbox.close()
    assert (len(server.killed), len(server.machines)) == (2, 0)
    two.close()
    with pytest.raises(SandboxError, match="closed"):
        sandbox.open([])


def test_a_machine_that_comes_when_the_sandbox_was_closed_is_ended(server: E2BServer) -> None:
    sandbox = open_sandbox(E2BSandboxConfig(), LIMITS)
    server.meanwhile = sandbox.close
    with pytest.raises(SandboxError, match="the sandbox was closed"):
        sandbox.open([PHOTO])
    assert (len(server.killed), len(server.machines)) == (1, 0)


def test_a_machine_whose_session_does_not_begin_is_ended(server: E2BServer) -> None:
    said(server, {"type": "error", "name": "MemoryError", "value": "", "traceback": "Traceback: no memory"})
    with pytest.raises(SandboxError, match="no memory"):
        open_sandbox(E2BSandboxConfig(), LIMITS).open([PHOTO])
    assert len(server.killed) == 1


def test_the_key_comes_from_the_environment(server: E2BServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("E2B_API_KEY")
    with pytest.raises(SandboxUnavailableError, match="set E2B_API_KEY"):
        E2BSandbox()
    monkeypatch.setenv("OWN_KEY", KEY)
    assert E2BSandbox(E2BSandboxConfig(api_key_variable="OWN_KEY")).open([]).run("1").ok
    monkeypatch.setenv("OWN_KEY", "e2b_fedcba9876543210")
    with pytest.raises(SandboxError, match="the key was refused") as caught:
        E2BSandbox(E2BSandboxConfig(api_key_variable="OWN_KEY")).open([])
    assert "e2b_fed" not in str(caught.value)


def test_a_machine_that_is_gone_is_the_services_fault(server: E2BServer) -> None:
    session = open_sandbox(E2BSandboxConfig(), LIMITS).open([])
    server.machines.clear()
    with pytest.raises(SandboxError, match="E2B: a cell failed"):
        session.run("1")
    session.close()


def test_a_service_that_is_gone_is_told(server: E2BServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2B_API_URL", "http://127.0.0.1:1")
    with pytest.raises(SandboxError, match="E2B: no machine"):
        open_sandbox(E2BSandboxConfig(), LIMITS).open([])


def test_a_lost_kernel_is_the_services_fault_but_an_exception_of_that_name_is_not(server: E2BServer) -> None:
    session = open_sandbox(E2BSandboxConfig(), LIMITS).open([])
    error = {"type": "error", "name": "WebSocketError", "value": "lost", "traceback": ""}
    said(server, error)
    with pytest.raises(SandboxError, match="lost its kernel"):
        session.run("1")
    said(server, error | {"traceback": "Traceback ..."})
    assert session.run("1").status is CellStatus.EXCEPTION


@pytest.mark.parametrize("line", [{"type": "stdout"}, {"no": "type"}, {"type": "error", "name": "no value"}])
def test_a_stream_that_breaks_the_protocol_is_the_services_fault(
    server: E2BServer, line: dict[str, Any]
) -> None:
    session = open_sandbox(E2BSandboxConfig(), LIMITS).open([])
    said(server, line)
    with pytest.raises(SandboxError, match="E2B: a cell failed"):
        session.run("1")


def test_a_flood_is_cut_off_and_the_session_lives(server: E2BServer) -> None:
    session = open_sandbox(E2BSandboxConfig(max_reply_bytes=100_000), LIMITS).open([])
    session.run("kept = 1")
    noise = "Image.fromarray(np.random.randint(0, 256, (300, 300, 3), dtype=np.uint8))"
    result = session.run(f"import numpy as np\nfrom PIL import Image\nprint('so far')\ndisplay({noise})")
    assert (result.status, result.stdout, result.truncated) == (CellStatus.EXCEPTION, "so far\n", True)
    assert "exceeds 100000 bytes" in result.stderr
    assert session.run("print(kept)").stdout == "1\n"


def test_displays_become_text_and_pictures(server: E2BServer) -> None:
    session = open_sandbox(E2BSandboxConfig(), LIMITS).open([])
    buffer = io.BytesIO()
    PHOTO.save(buffer, "JPEG")
    jpeg = base64.b64encode(buffer.getvalue()).decode()
    said(
        server,
        {"type": "stdout", "text": "a\n", "timestamp": 0},
        {"type": "result", "text": "<Figure>", "jpeg": jpeg, "is_main_result": False},
        {"type": "result", "text": "<Table>", "html": "<b>", "is_main_result": False},
        {"type": "result", "png": "%%%", "is_main_result": False},
        {"type": "result", "text": "3", "is_main_result": True},
    )
    result = session.run("...")
    assert result.stdout == "a\n<Table>\nOut[0]: 3\n"
    assert [image.size for image in result.images] == [(8, 6)]
    assert result.truncated
