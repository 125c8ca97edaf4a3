"""The host's parser of guest frames: any bytes give a value or one typed error."""

import contextlib
import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepeyes_env.sandbox.local.guest import wire
from deepeyes_env.sandbox.local.guest.streams import Text

BOUNDS = wire.Bounds(output_chars=50, images=3, pixels_per_image=100)
TOKEN = bytes(range(16))
LARGEST = max(BOUNDS.text_bytes, BOUNDS.pixels_per_image * wire.CHANNELS, wire.REPLY.size)


def source(data: bytes) -> Callable[[int], bytes]:
    stream = io.BytesIO(data)

    def receive(length: int) -> bytes:
        assert 0 <= length <= LARGEST, "more was asked for than a reply may hold"
        piece = stream.read(length)
        if len(piece) < length:
            raise wire.WireError("hung up")
        return piece

    return receive


def parse(data: bytes) -> wire.Reply:
    return wire.read_reply(source(data), 1, TOKEN, BOUNDS)


sizes = st.tuples(st.integers(1, 10), st.integers(1, 10))
replies = st.builds(
    wire.Reply,
    status=st.sampled_from([wire.OK, wire.EXCEPTION]),
    truncated=st.booleans(),
    stdout=st.text(max_size=50),
    stderr=st.text(max_size=50),
    images=st.lists(
        sizes.map(lambda size: wire.RawImage(*size, bytes(size[0] * size[1] * wire.CHANNELS))), max_size=3
    ).map(tuple),
)
headers = st.builds(
    wire.REPLY.pack,
    st.just(wire.REPLY_MAGIC),
    st.just(1),
    st.just(TOKEN),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)


@given(st.binary(max_size=300) | st.tuples(headers, st.binary(max_size=300)).map(b"".join))
def test_any_bytes_give_a_value_or_a_wire_error(data: bytes) -> None:
    try:
        reply = parse(data)
    except wire.WireError:
        return
    assert len(reply.images) <= BOUNDS.images


@given(replies, st.data())
def test_a_broken_reply_gives_a_value_or_a_wire_error(reply: wire.Reply, data: st.DataObject) -> None:
    frame = bytearray(b"".join(wire.write_reply(1, TOKEN, reply)))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, min(len(frame), 60) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(wire.WireError):
        parse(bytes(frame[: data.draw(st.integers(0, len(frame)))]))


@given(replies)
def test_a_reply_survives_the_trip(reply: wire.Reply) -> None:
    received = parse(b"".join(wire.write_reply(1, TOKEN, reply)))
    assert (received.status, received.truncated) == (reply.status, reply.truncated)
    assert received.stdout == reply.stdout.encode("utf-8", "replace").decode()
    assert received.images == reply.images


def test_a_reply_to_another_cell_is_refused() -> None:
    for cell, token in ((2, TOKEN), (1, bytes(16))):
        with pytest.raises(wire.WireError, match="not the reply"):
            parse(b"".join(wire.write_reply(cell, token, wire.Reply(0, False, "", "", ()))))


@given(st.integers(0, 2**64 - 1), st.lists(sizes, max_size=5))
def test_a_request_for_a_session_survives_the_trip(seed: int, images: list[tuple[int, int]]) -> None:
    message = wire.pack_start(seed, images)
    assert wire.START.unpack_from(message) == (seed, len(images))
    assert wire.unpack_sizes(message[wire.START.size :]) == images


@given(st.lists(st.text(max_size=80), max_size=20))
def test_streams_stay_within_the_bounds_of_the_wire(pieces: list[str]) -> None:
    stream = Text(BOUNDS.output_chars)
    for piece in pieces:
        stream.write(piece)
    text, cut = stream.take()
    whole = "".join(pieces).encode("utf-8", "backslashreplace").decode()
    assert cut == (len(whole) > 50)
    assert len(text.encode()) <= BOUNDS.text_bytes
    assert text == whole if not cut else text[:25] == whole[:25] and text[-25:] == whole[-25:]
