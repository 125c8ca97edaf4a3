"""A guest that writes to its own socket ends its own session at worst."""

from collections.abc import Iterator

import pytest

from deepeyes_env.sandbox import CellStatus, LocalSandbox, SandboxLimits
from deepeyes_env.sandbox.local import LocalSession
from deepeyes_env.sandbox.local.guest import wire

HEADER = "struct.pack('<4sI16sBBHII', b'DEr1', 1, {token}, 0, 0, {images}, {out}, 0)"


@pytest.fixture(scope="module")
def hasty() -> Iterator[LocalSandbox]:
    made = LocalSandbox(SandboxLimits(cell_seconds=0.4))
    yield made
    made.close()


@pytest.mark.parametrize(
    "data",
    [
        "b'garbage' * 100",
        "bytes(1000)",
        HEADER.format(token="bytes(16)", images=0, out=0),
        HEADER.format(token="bytes(16)", images=65535, out=2**32 - 1),
        "b'x' * 10_000_000",
    ],
)
def test_bytes_out_of_turn_end_the_session(attacker: LocalSession, data: str) -> None:
    attacker.run("import os, socket, struct\nchannel = socket.socket(fileno=3)")
    assert attacker.run(f"channel.sendall({data})").status is CellStatus.CRASHED
    assert attacker.run("print('again')").stdout == "again\n"


def test_the_header_used_above_is_the_real_one() -> None:
    assert wire.REPLY.format == "<4sI16sBBHII"
    assert wire.REPLY_MAGIC == b"DEr1"


@pytest.mark.parametrize(
    ("images", "out", "rest"),
    [
        (1, 0, "struct.pack('<II', 0, 5)"),
        (1, 0, "struct.pack('<II', 2**32 - 1, 2**32 - 1)"),
        (99, 0, "b''"),
        (0, 2**31, "b''"),
    ],
)
def test_a_forged_reply_with_the_right_token_is_still_checked(
    attacker: LocalSession, images: int, out: int, rest: str
) -> None:
    # The guest can read the token of the running cell: it is in a frame of its own stack.
    code = f"""
import struct, sys
frame = sys._getframe()
while 'token' not in frame.f_locals: frame = frame.f_back
import socket
header = {HEADER.format(token="frame.f_locals['token']", images=images, out=out)}
socket.socket(fileno=3).sendall(header + {rest})"""
    attacker.run("1")
    assert attacker.run(code).status is CellStatus.CRASHED


def test_a_forged_reply_is_no_more_than_what_a_cell_may_print(attacker: LocalSession) -> None:
    code = f"""
import os, socket, struct, sys
frame = sys._getframe()
while 'token' not in frame.f_locals: frame = frame.f_back
header = {HEADER.format(token="frame.f_locals['token']", images=0, out=4)}
socket.socket(fileno=3).sendall(header + b'\\xff\\x00ok')
os._exit(0)"""
    attacker.run("1")
    result = attacker.run(code)
    assert (result.status, result.stdout) == (CellStatus.OK, "\ufffd\0ok")
    assert attacker.run("print('again')").status is CellStatus.CRASHED
    assert attacker.run("print('again')").stdout == "again\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("channel.sendall(b'DEr1'); time.sleep(99)", CellStatus.CRASHED),
        ("signal.signal(2, signal.SIG_IGN); channel.sendall(b'DEr1'); time.sleep(99)", CellStatus.KILLED),
        (
            "signal.signal(2, signal.SIG_IGN)\nfor b in header: channel.send(bytes([b])); time.sleep(0.2)",
            CellStatus.KILLED,
        ),
    ],
)
def test_half_a_frame_does_not_outlast_the_deadline(
    hasty: LocalSandbox, code: str, status: CellStatus
) -> None:
    session = hasty.open([])
    forged = HEADER.format(token="bytes(16)", images=0, out=100)
    session.run(
        f"import signal, socket, struct, time\nchannel = socket.socket(fileno=3)\nheader = {forged} * 9"
    )
    assert session.run(code).status is status
    assert session.run("print('again')").stdout == "again\n"
    session.close()


@pytest.mark.parametrize(
    "code", ["os.close(3)", "channel.shutdown(2)", "os.dup2(0, 3)", "channel.setblocking(False)"]
)
def test_a_lost_socket_ends_the_session(attacker: LocalSession, code: str) -> None:
    attacker.run("import os, socket\nchannel = socket.socket(fileno=3)")
    attacker.run(code)
    # The worker may notice before or after the next cell.
    assert "again\n" in [attacker.run("print('again')").stdout for _ in range(3)]
