"""Random conversations: ids, mask, spans, images and the stored form always agree."""

import tempfile
from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from agents.policy import Sample
from agents.qwen import Qwen, pixel_inputs
from agents.store import TrajectoryWriter, read_trajectories
from agents.tiny import TinyShape, build_tiny
from agents.trajectory import SeedLineage, Trajectory, TrajectoryError, check_tokens, check_trajectory
from agents.transcript import ContextFull, Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward


@cache
def tiny() -> Qwen:
    return build_tiny(shape=TinyShape(hidden=32, layers=1, vision_layers=1))


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary(tiny().tokenizer)


@cache
def allowed_ids() -> list[int]:
    banned = {*vocabulary().banned_ids, vocabulary().im_end}
    return [i for i in range(vocabulary().size) if i not in banned]


@cache
def image(columns: int, rows: int, shade: int) -> EncodedImage:
    return EncodedImage.from_pil(Image.new("RGB", (28 * columns, 28 * rows), (shade, 0, 255 - shade)))


@dataclass(frozen=True)
class Scripted:
    text: str


TEXTS = st.text(max_size=40).map(lambda text: text.replace("<image>", ""))
IMAGES = st.builds(image, st.integers(2, 5), st.integers(2, 5), st.integers(0, 255))


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    images = draw(st.lists(IMAGES, max_size=3))
    pieces = [draw(TEXTS) for _ in range(len(images) + 1)]
    text = "<image>".join(pieces)
    # Neighbouring pieces may form a marker of their own ("<image" + ">"); the environment neutralises those.
    return Observation(text, tuple(images)) if text.count("<image>") == len(images) else Observation("x")


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    ids = draw(st.lists(st.sampled_from(allowed_ids()), min_size=1, max_size=30))
    ids += [vocabulary().im_end] * draw(st.integers(0, 1))
    logprobs = draw(st.lists(st.floats(-50, 0, width=32), min_size=len(ids), max_size=len(ids)))
    text = vocabulary().turn_text(ids, ("</code>",))
    reason = draw(st.sampled_from(["stop", "length"]))
    return Sample(np.array(ids, np.int64), np.array(logprobs, np.float32), text, reason)


TURNS = st.one_of(samples(), st.builds(Scripted, TEXTS))
CONVERSATIONS = st.tuples(
    TEXTS, observations(), st.lists(st.tuples(TURNS, observations()), max_size=4), st.booleans()
)


def play(conversation, max_tokens: int = 24576) -> tuple[Transcript, list[int], bool]:
    """Play a conversation; gives the transcript, all sampled ids in order, and whether it was cut."""
    system, first, rounds, prefill = conversation
    transcript = Transcript(vocabulary(), name="random", max_tokens=max_tokens, think_prefill=prefill)
    sampled: list[int] = []
    transcript.start(system, first)
    for number, (turn, observation) in enumerate(rounds):
        if isinstance(turn, Sample):
            transcript.append_sample(turn)
            sampled += turn.token_ids.tolist()
        else:
            before = len(transcript)
            transcript.append_text(("<think>" if prefill and number else "") + turn.text)
            sampled += transcript.input_ids[before:].tolist()
        transcript.annotate("code", True)
        try:
            transcript.append_observation(observation)
        except ContextFull:
            return transcript, sampled, True
    return transcript, sampled, False


def finish(transcript: Transcript) -> Trajectory:
    return transcript.to_trajectory(
        family="f",
        question="七?",
        reference="r",
        answer=None,
        reward=Reward(0.0, 1.0, 0.2),
        outcome=Outcome.TRUNCATED,
        lineage=SeedLineage(0),
    )


def assert_images_agree(transcript: Transcript) -> None:
    features = [i.width // 28 * (i.height // 28) for i in transcript.images]
    assert [span.length for span in transcript.image_spans] == features
    expected = [p for s in transcript.image_spans for p in range(s.start, s.start + s.length)]
    assert np.flatnonzero(transcript.input_ids == vocabulary().image_pad).tolist() == expected
    for span in transcript.image_spans:
        around = transcript.input_ids[[span.start - 1, span.start + span.length]].tolist()
        assert around == [vocabulary().id("<|vision_start|>"), vocabulary().id("<|vision_end|>")]


@given(CONVERSATIONS)
def test_ids_mask_spans_and_images_agree(conversation):
    transcript, sampled, _ = play(conversation)
    assert transcript.input_ids[transcript.loss_mask].tolist() == sampled
    assert transcript.loss_mask.sum() == len(sampled)
    assert_images_agree(transcript)
    check_trajectory(finish(transcript))


@settings(max_examples=25)
@given(CONVERSATIONS)
def test_every_span_is_as_long_as_what_the_vision_tower_gives(conversation):
    transcript, _, _ = play(conversation)
    if not transcript.images:
        return
    pixel_values, grid = pixel_inputs(transcript.images)
    with torch.no_grad():
        features = tiny().model.model.get_image_features(pixel_values, grid, return_dict=True).pooler_output
    assert [len(tokens) for tokens in features] == [span.length for span in transcript.image_spans]


@given(CONVERSATIONS)
def test_building_one_piece_at_a_time_never_changes_what_is_there(conversation):
    system, first, rounds, prefill = conversation
    whole, _, _ = play(conversation)
    for count in range(len(rounds)):
        part, _, _ = play((system, first, rounds[:count], prefill))
        np.testing.assert_array_equal(part.input_ids, whole.input_ids[: len(part)])
        np.testing.assert_array_equal(part.loss_mask, whole.loss_mask[: len(part)])
        request = part.to_request(1)
        assert request.images == whole.images[: len(request.images)]
        assert request.image_spans == whole.image_spans[: len(request.images)]


@given(CONVERSATIONS, st.integers(0, 400))
def test_a_truncation_never_splits_an_image(conversation, max_tokens):
    try:
        transcript, sampled, cut = play(conversation, max_tokens)
    except ContextFull:
        return
    assert_images_agree(transcript)
    assert transcript.input_ids[transcript.loss_mask].tolist() == sampled
    check_trajectory(finish(transcript))
    before_the_turn = transcript.turns[-1].start if cut else len(transcript)
    assert before_the_turn <= max_tokens


@settings(max_examples=40)
@given(st.lists(CONVERSATIONS, max_size=3))
def test_the_store_gives_back_what_it_got(conversations):
    trajectories = [finish(play(conversation)[0]) for conversation in conversations]
    with tempfile.TemporaryDirectory() as directory:
        with TrajectoryWriter(directory) as writer:
            for trajectory in trajectories:
                writer.append(trajectory)
        for own, stored in zip(trajectories, read_trajectories(directory), strict=True):
            for field in fields(Trajectory):
                mine, theirs = getattr(own, field.name), getattr(stored, field.name)
                if isinstance(mine, np.ndarray):
                    assert mine.tobytes() == theirs.tobytes()
                    assert mine.dtype == theirs.dtype
                else:
                    assert mine == theirs


@given(CONVERSATIONS, st.data())
def test_a_corrupted_token_is_noticed(conversation, data):
    """Flipping one bit of the mask, moving a span or a turn, or writing a placeholder breaks an invariant."""
    trajectory = finish(play(conversation)[0])
    place = data.draw(st.integers(0, len(trajectory.input_ids) - 1))
    mask = trajectory.loss_mask.copy()
    mask[place] ^= True
    corrupted = [replace(trajectory, loss_mask=mask)]
    if trajectory.images:
        which = data.draw(st.integers(0, len(trajectory.images) - 1))
        ids = trajectory.input_ids.copy()
        ids[place] = 65 if ids[place] == vocabulary().image_pad else vocabulary().image_pad
        spans = list(trajectory.image_spans)
        spans[which] = replace(spans[which], start=spans[which].start + data.draw(st.sampled_from([-1, 1])))
        corrupted += [
            replace(trajectory, input_ids=ids),
            replace(trajectory, image_spans=tuple(spans)),
            replace(trajectory, images=trajectory.images[:-1]),
        ]
    if trajectory.turns:
        which = data.draw(st.integers(0, len(trajectory.turns) - 1))
        turns = list(trajectory.turns)
        turns[which] = replace(turns[which], end=turns[which].end + data.draw(st.sampled_from([-1, 1])))
        corrupted.append(replace(trajectory, turns=tuple(turns)))
    for bad in corrupted:
        with pytest.raises(TrajectoryError):
            check_trajectory(bad)


def check_all(trajectory: Trajectory) -> None:
    check_trajectory(trajectory)
    check_tokens(trajectory, vocabulary())


@given(CONVERSATIONS, st.data())
def test_a_smuggled_token_is_noticed(conversation, data):
    """A control token where a sampled one was, and an id that nobody knows anywhere."""
    trajectory = finish(play(conversation)[0])
    check_all(trajectory)
    sampled = np.flatnonzero(trajectory.loss_mask).tolist()
    unknown = (data.draw(st.integers(0, len(trajectory.input_ids) - 1)), vocabulary().size)
    banned = [(p, t) for p in sampled[:1] + sampled[-1:] for t in sorted(vocabulary().banned_ids)]
    for place, token in [unknown, *banned]:
        ids = trajectory.input_ids.copy()
        ids[place] = token
        bad = replace(trajectory, input_ids=ids)
        with pytest.raises(TrajectoryError):
            check_all(bad)


@given(st.text())
def test_any_text_survives_encoding_without_control_tokens(text):
    ids = vocabulary().encode(text)
    assert not set(ids) & {*vocabulary().banned_ids, vocabulary().im_end}
    assert vocabulary().decode(ids) == vocabulary().tokenizer.decode(ids)


@given(st.lists(st.integers(0, 511), max_size=30))
def test_decoding_any_ids_equals_the_tokenizers_decoding(ids):
    assert vocabulary().decode(ids) == vocabulary().tokenizer.decode(ids)
