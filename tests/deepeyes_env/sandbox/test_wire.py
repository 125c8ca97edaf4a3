"""The host's parser of guest frames: any bytes give a value or one error, in bounded time and memory."""

import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deepeyes_env.sandbox import SandboxLimits
from deepeyes_env.sandbox.local.guest import wire
from deepeyes_env.sandbox.local.guest.streams import Text
from deepeyes_env.sandbox.local.process import bounds_of

BOUNDS = wire.Bounds(output_chars=50, images=3, pixels_per_image=100, pixels_per_cell=250)
TOKEN = bytes(range(16))


class HungUp(Exception):
    """The source has no more bytes. It is the source's error, and the parser must not make another of it."""


class Source:
    """A guest that says `data`, and then repeats `forever`, or hangs up if that is empty.

    Like the host's real source it takes the memory for what it is asked for before the bytes come.
    """

    def __init__(self, data: bytes, bounds: wire.Bounds = BOUNDS, forever: bytes = b"") -> None:
        self._data = memoryview(data)
        self._forever = forever
        self._bounds = bounds
        self.calls = self.asked = self.given = 0

    def __call__(self, length: int) -> bytearray:
        self.calls += 1
        self.asked += length
        assert length >= 0
        assert self.calls <= 3 + 2 * self._bounds.images
        assert self.asked <= most_bytes(self._bounds), "more was asked for than a reply may hold"
        buffer = bytearray(length)
        piece = self._data[self.given : self.given + length]
        buffer[: len(piece)] = piece
        missing = length - len(piece)
        if missing and not self._forever:
            raise HungUp
        buffer[len(piece) :] = (self._forever * missing)[:missing]
        self.given += length
        return buffer


def most_bytes(bounds: wire.Bounds) -> int:
    """The longest reply that keeps the bounds."""
    pixels = min(bounds.images * bounds.pixels_per_image, bounds.pixels_per_cell)
    sizes = bounds.images * wire.SIZE.size
    return wire.REPLY.size + 2 * bounds.text_bytes + sizes + pixels * wire.CHANNELS


def parse(data: bytes, forever: bytes = b"") -> wire.Reply:
    """The parser's value, which must keep the bounds and be all that the source gave.

    Raises:
        WireError: The frame was refused.
        HungUp: It was too short.
    """
    source = Source(data, BOUNDS, forever)
    reply = wire.read_reply(source, 1, TOKEN, BOUNDS)
    assert source.given == source.asked
    assert reply.status in (wire.OK, wire.EXCEPTION)
    assert max(len(reply.stdout), len(reply.stderr)) <= BOUNDS.text_bytes
    assert len(reply.images) <= BOUNDS.images
    for image in reply.images:
        assert 0 < len(image.pixels) == image.width * image.height * wire.CHANNELS
        assert image.width * image.height <= BOUNDS.pixels_per_image
    assert sum(image.width * image.height for image in reply.images) <= BOUNDS.pixels_per_cell
    return reply


def outcome(data: bytes, forever: bytes = b"") -> wire.Reply | None:
    """The reply, or None if the frame was refused or too short; any other error fails the test."""
    try:
        return parse(data, forever)
    except (wire.WireError, HungUp):
        return None


def frame_of(reply: wire.Reply) -> bytes:
    return b"".join(wire.write_reply(1, TOKEN, reply))


def raw_images(size: tuple[int, int]) -> st.SearchStrategy[wire.RawImage]:
    length = size[0] * size[1] * wire.CHANNELS
    return st.binary(min_size=length, max_size=length).map(lambda pixels: wire.RawImage(*size, pixels))


sizes = st.tuples(st.integers(1, 10), st.integers(1, 10))
replies = st.builds(
    wire.Reply,
    status=st.sampled_from([wire.OK, wire.EXCEPTION]),
    truncated=st.booleans(),
    stdout=st.text(max_size=50),
    stderr=st.text(max_size=50),
    images=st.lists(sizes.flatmap(raw_images), max_size=3)
    .filter(lambda images: sum(len(image.pixels) for image in images) <= 250 * wire.CHANNELS)
    .map(tuple),
)
bytes_ = st.integers(0, 255)
lengths = st.integers(0, 2**32 - 1) | st.integers(0, BOUNDS.text_bytes + 1)
headers = st.builds(
    wire.REPLY.pack,
    st.just(wire.REPLY_MAGIC),
    st.just(1),
    st.just(TOKEN),
    st.sampled_from([0, 1]) | bytes_,
    st.sampled_from([0, 1]) | bytes_,
    st.integers(0, 4) | st.integers(0, 65535),
    lengths,
    lengths,
)
image_sizes = st.builds(wire.SIZE.pack, *2 * [st.integers(0, 11) | st.integers(0, 2**32 - 1)])


@given(st.binary(max_size=300), st.binary(max_size=3))
def test_any_bytes_give_a_value_or_a_wire_error(data: bytes, forever: bytes) -> None:
    outcome(data, forever)


@given(headers, st.lists(image_sizes, max_size=4).map(b"".join), st.binary(max_size=3))
@example(wire.REPLY.pack(wire.REPLY_MAGIC, 1, TOKEN, 0, 0, 3, 0, 0), wire.SIZE.pack(10, 10) * 3, b"x")
@example(wire.REPLY.pack(wire.REPLY_MAGIC, 1, TOKEN, 1, 1, 0, 1000, 1000), b"", b"\xff")
def test_any_header_gives_a_value_or_a_wire_error(header: bytes, table: bytes, forever: bytes) -> None:
    outcome(header + table, forever)


edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "insert", "delete", "cut"]), st.integers(0, 2**16), st.binary(max_size=9)
    ),
    min_size=1,
    max_size=4,
)


@given(replies, edits, st.binary(max_size=3))
def test_a_broken_reply_gives_a_value_or_a_wire_error(
    reply: wire.Reply, made: list[tuple[str, int, bytes]], forever: bytes
) -> None:
    frame = bytearray(frame_of(reply))
    for kind, where, noise in made:
        start = where % (len(frame) + 1)
        end = start + len(noise)
        if kind == "flip":
            frame[start:end] = bytes(old ^ new for old, new in zip(frame[start:end], noise, strict=False))
        elif kind == "insert":
            frame[start:start] = noise
        elif kind == "delete":
            del frame[start:end]
        else:
            del frame[start:]
    outcome(bytes(frame), forever)


@given(replies, st.integers(0, 8 * wire.REPLY.size - 1))
def test_a_reply_with_one_wrong_bit_in_its_header_is_never_taken_for_the_right_one(
    reply: wire.Reply, bit: int
) -> None:
    frame = bytearray(frame_of(reply))
    frame[bit // 8] ^= 1 << bit % 8
    changed = outcome(bytes(frame))
    assert changed is None or changed != parse(frame_of(reply))
    if bit // 8 < 4 + 4 + len(TOKEN):  # magic, number of the cell, token
        with pytest.raises(wire.WireError, match="not the reply"):
            parse(bytes(frame))


@given(replies, st.data())
def test_a_part_of_a_reply_is_no_reply(reply: wire.Reply, data: st.DataObject) -> None:
    frame = frame_of(reply)
    with pytest.raises(HungUp):
        parse(frame[: data.draw(st.integers(0, len(frame) - 1))])


@given(replies, st.binary(max_size=50))
def test_a_reply_survives_the_trip_and_takes_nothing_of_the_next(reply: wire.Reply, rest: bytes) -> None:
    frame = frame_of(reply)
    source = Source(frame + rest)
    assert wire.read_reply(source, 1, TOKEN, BOUNDS) == reply
    assert source.given == len(frame)


@given(st.text(max_size=20), st.lists(st.integers(0xD800, 0xDFFF).map(chr), min_size=1).map("".join))
def test_lone_surrogates_become_question_marks(text: str, surrogates: str) -> None:
    reply = parse(frame_of(wire.Reply(wire.OK, False, text + surrogates, "", ())))
    assert reply.stdout == text + "?" * len(surrogates)


@pytest.mark.parametrize(
    ("images", "stdout", "stderr", "table"),
    [
        (65_535, 0, 0, b""),
        (11, 0, 0, wire.SIZE.pack(1, 1) * 11),
        (0, 2**32 - 1, 0, b""),
        (0, 0, 2**32 - 1, b""),
        (1, 0, 0, wire.SIZE.pack(2**32 - 1, 2**32 - 1)),
        (1, 0, 0, wire.SIZE.pack(2**31, 2)),
        (1, 0, 0, wire.SIZE.pack(16_000_001, 1)),
        (1, 0, 0, wire.SIZE.pack(0, 2**32 - 1)),
        # The last of ten is too large: nothing is taken for the nine before it.
        (10, 8_000, 8_000, wire.SIZE.pack(4_000, 4_000) * 9 + wire.SIZE.pack(4_001, 4_000)),
        # Each is small enough, and all together are not.
        (10, 8_000, 8_000, wire.SIZE.pack(4_000, 4_000) * 10),
        (5, 0, 0, wire.SIZE.pack(4_000, 4_000) * 4 + wire.SIZE.pack(1, 1)),
    ],
)
def test_what_breaks_the_limits_is_refused_before_memory_is_taken(
    images: int, stdout: int, stderr: int, table: bytes
) -> None:
    bounds = bounds_of(SandboxLimits())
    header = wire.REPLY.pack(wire.REPLY_MAGIC, 1, TOKEN, wire.OK, 0, images, stdout, stderr)
    source = Source(header + table, bounds, forever=b"x")
    tracemalloc.start()
    try:
        with pytest.raises(wire.WireError):
            wire.read_reply(source, 1, TOKEN, bounds)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert source.given <= len(header + table)
    assert peak < 100_000


def test_a_reply_that_fills_its_bounds_takes_little_more_memory_than_its_bytes() -> None:
    bounds = wire.Bounds(output_chars=20_000, images=2, pixels_per_image=100_000, pixels_per_cell=200_000)
    image = wire.RawImage(400, 250, bytes(300_000))
    text = bounds.text_bytes // 4 * "\N{DECIDUOUS TREE}"
    frame = b"".join(wire.write_reply(1, TOKEN, wire.Reply(wire.OK, False, text, text, (image, image))))
    assert len(frame) == most_bytes(bounds)
    source = Source(frame, bounds)
    tracemalloc.start()
    try:
        wire.read_reply(source, 1, TOKEN, bounds)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(frame)


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


@pytest.mark.parametrize("stream", [0, 1])
def test_text_is_limited_in_characters_too(stream: int) -> None:
    """As many bytes as the limit's characters may have are more characters, if each is one byte."""
    texts = [b"", b""]
    texts[stream] = b"x" * BOUNDS.text_bytes
    head = wire.REPLY.pack(wire.REPLY_MAGIC, 1, TOKEN, wire.OK, 0, 0, *map(len, texts))
    with pytest.raises(wire.WireError, match="more text"):
        wire.read_reply(Source(head + b"".join(texts)), 1, TOKEN, BOUNDS)
