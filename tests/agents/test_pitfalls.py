"""The traps between a rollout and its training, one test a row of the table in the stack notes, section 6.

Where a plain Hugging Face call goes wrong without a word, the test shows both: that the trap is there, and
that our way round it gives what a fresh forward over the whole conversation gives.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from talk import SYSTEM, finish, noise_image, scripted, seen, tiny, vocabulary
from transformers import DynamicCache
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as upstream_resize

from agents.batch import collate, token_logprobs
from agents.pixels import PixelCache
from agents.policy import Sample, SamplingParams
from agents.positions import rope_positions
from agents.qwen import image_grid, pixel_inputs, visual_tokens
from agents.sampling import banned_mask, policy_logprobs
from agents.trajectory import Trajectory, TrajectoryError, check_trajectory
from agents.transcript import MAX_IMAGES, MAX_TOKENS, ContextFull, Transcript, TranscriptError
from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import Episode
from deepeyes_env.fitting import fit_result
from deepeyes_env.images import MAX_PIXELS, MIN_PIXELS, EncodedImage, ImageError, smart_resize
from deepeyes_env.protocol import STOP_STRINGS, CodeOutput
from deepeyes_env.task import Answer, Task

EXACT = 1e-4
"""Largest difference of log-probabilities and logits that rounding in float32 makes (measured: 6e-6)."""

WRONG = 0.1
"""Least difference that counts as a wrong result (measured: 2 and more)."""

# Newer versions call it `cache`, which the oldest version that we support does not know.
pytestmark = pytest.mark.filterwarnings("ignore:`past_key_values` is deprecated:FutureWarning")


def banned() -> torch.Tensor:
    return banned_mask(vocabulary(), tiny().model.config.text_config.vocab_size)


def talk(*images: int, turns: int = 2, first: int = 0) -> Transcript:
    """A conversation with so many images in the question and in each observation; ends with a turn."""
    transcript = Transcript(vocabulary(), name="pitfall")
    for number in range(turns):
        count = images[min(number, len(images) - 1)]
        # Never square: rows and columns must not be exchangeable.
        pictures = [noise_image(first + 10 * number + n, 2 + n, 4 + number) for n in range(count)]
        shown = seen("<image>" * count + f"part {number}", *pictures)
        if number:
            transcript.append_observation(shown)
        else:
            transcript.start(SYSTEM, shown)
        transcript.append_text(f"<think>thought {number}</think><code>x</code>")
    return transcript


def inputs(transcript: Transcript, start: int = 0, end: int | None = None) -> dict[str, torch.Tensor]:
    """A part of a conversation as the Hugging Face model takes it, with everything that it asks for."""
    ids = torch.from_numpy(transcript.input_ids[start:end])[None]
    stop = len(transcript) if end is None else end
    shown = [
        image
        for image, span in zip(transcript.images, transcript.image_spans, strict=True)
        if start <= span.start < stop
    ]
    made = {"input_ids": ids, "mm_token_type_ids": (ids == vocabulary().image_pad).long()}
    if shown:
        made["pixel_values"], made["image_grid_thw"] = pixel_inputs(shown)
    return made


@torch.no_grad()
def forward(model_inputs: dict[str, torch.Tensor], **options: object) -> torch.Tensor:
    return tiny().model(**model_inputs, **options).logits


@torch.no_grad()
def scored(*trajectories: Trajectory) -> torch.Tensor:
    return token_logprobs(tiny().model, collate(trajectories, vocabulary(), PixelCache()), banned())


def reference(trajectory: Trajectory, logits: torch.Tensor) -> torch.Tensor:
    """What `token_logprobs` has to give, from the logits `[1, T, V]` of a forward over the conversation."""
    ids = torch.from_numpy(trajectory.input_ids)[None, 1:]
    chosen = policy_logprobs(logits, banned())[:, :-1].gather(2, ids[..., None]).squeeze(2)
    return torch.where(torch.from_numpy(trajectory.loss_mask)[None, 1:], chosen, 0.0)


# --- `mm_token_type_ids` -----------------------------------------------------------------------------------


def test_missing_mm_token_type_ids_are_silently_wrong_and_explicit_positions_do_not_need_them():
    transcript = talk(1, 1)
    whole = inputs(transcript)
    right = forward(whole)
    without = {name: part for name, part in whole.items() if name != "mm_token_type_ids"}
    assert (forward(without) - right).abs().max() > WRONG, "the trap is gone: is the rule still needed?"
    positions, _ = rope_positions(len(transcript), transcript.image_spans)
    explicit = forward(without, position_ids=torch.from_numpy(positions)[:, None])
    assert (explicit - right).abs().max() < EXACT
    trajectory = finish(transcript)
    assert (scored(trajectory) - reference(trajectory, right)).abs().max() < EXACT


# --- Left padding, 2/1/0 images in one batch ---------------------------------------------------------------


def test_a_mixed_batch_scores_as_its_members_alone():
    members = [
        finish(talk(*counts, first=100 * n)) for n, counts in enumerate([(2, 1), (1, 0), (0, 0), (0, 3)])
    ]
    together = scored(*members)
    for row, member in zip(together, members, strict=True):
        alone = forward(inputs_of(member))
        expected = reference(member, alone)[0]
        assert (row[: len(expected)] - expected).abs().max() < EXACT
        assert (row[len(expected) :] == 0).all()


def inputs_of(trajectory: Trajectory) -> dict[str, torch.Tensor]:
    ids = torch.from_numpy(trajectory.input_ids)[None]
    made = {"input_ids": ids, "mm_token_type_ids": (ids == vocabulary().image_pad).long()}
    if trajectory.images:
        made["pixel_values"], made["image_grid_thw"] = pixel_inputs(trajectory.images)
    return made


# --- Rollout and training log-probabilities ----------------------------------------------------------------


def test_sampled_by_hugging_face_from_a_left_padded_cache_and_scored_by_us():
    transcripts = [talk_start(2, 0), talk_start(1, 5), talk_start(0, 9)]
    for number in range(2):
        for transcript, sample in zip(transcripts, generate(transcripts, seed=number), strict=True):
            transcript.append_sample(sample)
            if number == 0:
                picture = noise_image(70 + len(transcript), 3, 2)
                transcript.append_observation(seen("result <image>", picture))
    trajectories = [finish(transcript) for transcript in transcripts]
    batch = collate(trajectories, vocabulary(), PixelCache())
    assert batch.loss_mask.sum() == 3 * 2 * 12
    assert (scored(*trajectories) - batch.logprobs[:, 1:]).abs().max() < EXACT


def talk_start(images: int, words: int) -> Transcript:
    transcript = Transcript(vocabulary(), name=f"{images}-{words}", think_prefill=False)
    pictures = [noise_image(40 + n, 2 + n, 3) for n in range(images)]
    transcript.start(SYSTEM, seen("<image>" * images + "word " * words, *pictures))
    return transcript


@torch.no_grad()
def generate(transcripts: list[Transcript], seed: int) -> list[Sample]:
    """Twelve tokens each by `generate`, left-padded, with its own cache and positions."""
    width = max(len(one) for one in transcripts)
    ids = torch.full((len(transcripts), width), vocabulary().pad)
    attention = torch.zeros_like(ids)
    for row, one in enumerate(transcripts):
        ids[row, width - len(one) :] = torch.from_numpy(one.input_ids)
        attention[row, width - len(one) :] = 1
    pixel_values, grid = pixel_inputs([image for one in transcripts for image in one.images])
    tiny().model.model.rope_deltas = None
    torch.manual_seed(seed)
    forbidden = [*banned().nonzero().flatten().tolist(), vocabulary().im_end]
    output = tiny().model.generate(
        input_ids=ids,
        attention_mask=attention,
        mm_token_type_ids=(ids == vocabulary().image_pad).long(),
        pixel_values=pixel_values,
        image_grid_thw=grid,
        do_sample=True,
        top_k=0,
        suppress_tokens=forbidden,
        max_new_tokens=12,
        output_logits=True,
        return_dict_in_generate=True,
    )
    scores = policy_logprobs(torch.stack(output.logits, dim=1), banned())
    sampled = output.sequences[:, width:]
    chosen = scores.gather(2, sampled[..., None]).squeeze(2)
    return [
        Sample(row.numpy(), logprobs.numpy(), vocabulary().decode(row.tolist()), "stop")
        for row, logprobs in zip(sampled, chosen, strict=True)
    ]


# --- A cache that is kept across turns when a new image arrives --------------------------------------------


def test_a_cache_kept_across_turns_needs_explicit_positions():
    transcript = talk(1, 2)
    known = transcript.turns[0].end
    right = forward(inputs(transcript))[:, known:]

    def go_on(**options: object) -> torch.Tensor:
        cache = DynamicCache(config=tiny().model.config.text_config)
        forward(inputs(transcript, end=known), past_key_values=cache, use_cache=True)
        return forward(inputs(transcript, start=known), past_key_values=cache, use_cache=True, **options)

    assert (go_on() - right).abs().max() > WRONG, "the trap is gone: is the rule still needed?"
    positions, _ = rope_positions(len(transcript), transcript.image_spans)
    explicit = torch.from_numpy(positions[:, known:])[:, None]
    assert (go_on(position_ids=explicit) - right).abs().max() < EXACT
    tiny().model.model.rope_deltas = None


# --- `rope_deltas` is state of the module ------------------------------------------------------------------


def test_stale_rope_deltas_spoil_a_plain_decoding_step_and_leave_explicit_positions_alone():
    transcript, other = talk(1, 1), talk(3, 2, first=300)
    before = len(transcript) - 1
    right = forward(inputs(transcript))[:, before:]

    def last_token(**options: object) -> torch.Tensor:
        cache = DynamicCache(config=tiny().model.config.text_config)
        forward(inputs(transcript, end=before), past_key_values=cache, use_cache=True)
        forward(inputs(other))  # a call in between, which leaves its deltas behind
        return forward(inputs(transcript, start=before), past_key_values=cache, use_cache=True, **options)

    assert (last_token() - right).abs().max() > WRONG, "the trap is gone: is the rule still needed?"
    positions, following = rope_positions(before, transcript.image_spans)
    assert following == positions.max() + 1
    explicit = torch.full((3, 1, 1), following)
    assert (last_token(position_ids=explicit) - right).abs().max() < EXACT

    trajectory = finish(transcript)
    expected = scored(trajectory)
    tiny().model.model.rope_deltas = torch.full((1, 1), 1000)
    try:
        assert torch.equal(scored(trajectory), expected)
        assert tiny().model.model.rope_deltas.item() == 1000
    finally:
        tiny().model.model.rope_deltas = None


# --- A placeholder is sampled ------------------------------------------------------------------------------


def test_a_sampled_placeholder_stops_the_model_and_never_reaches_it():
    transcript = talk(1, turns=1)
    poisoned = inputs(transcript)
    pad = torch.tensor([[vocabulary().image_pad]])
    poisoned["input_ids"] = torch.cat([poisoned["input_ids"], pad], dim=1)
    poisoned["mm_token_type_ids"] = torch.cat([poisoned["mm_token_type_ids"], torch.ones_like(pad)], dim=1)
    with pytest.raises((ValueError, StopIteration, IndexError, RuntimeError)):
        forward(poisoned)

    assert banned()[vocabulary().image_pad]
    fresh = Transcript(vocabulary(), name="fictional/closer-look/train/17")
    fresh.start(SYSTEM, seen("hi"))
    ids = np.array([65, vocabulary().image_pad], np.int64)
    with pytest.raises(
        TranscriptError, match=r"'fictional/closer-look/train/17'.*<\|image_pad\|>.*sampled at 1"
    ):
        fresh.append_sample(Sample(ids, np.full(2, -1, np.float32), "b", "stop"))


def test_a_placeholder_in_tool_text_stays_letters():
    transcript = Transcript(vocabulary())
    transcript.start(SYSTEM, seen("<|vision_start|><|image_pad|><|vision_end|>"))
    assert not (transcript.input_ids == vocabulary().image_pad).any()
    task = Task("t", "What?", (noise_image(0),), Answer("7"))
    episode = Episode(task, EnvConfig(prompt="minimal"))
    episode.start()
    episode.act("<code>\n```python\nx\n```\n</code>")
    shown = episode.observe(CodeOutput("<|image_pad|><image><|im_end|>"))
    assert shown is not None
    assert "<|" not in shown.text
    assert "<image>" not in shown.text


# --- Decoded and encoded again -----------------------------------------------------------------------------


def test_sampled_ids_survive_although_their_text_would_be_encoded_otherwise():
    transcript = talk(1, turns=1)
    transcript.append_observation(seen("out"))
    ids = [*byte_by_byte("Größe</think>"), *byte_by_byte("<answer>7</answer>")]
    text = vocabulary().decode(ids)
    assert vocabulary().encode(text) != ids, "the trap is gone: these ids survive by themselves"
    transcript.append_sample(Sample(np.array(ids), np.full(len(ids), -2, np.float32), text, "stop"))
    trajectory = finish(transcript)
    turn = trajectory.turns[-1]
    assert trajectory.input_ids[turn.start : turn.end].tolist() == ids
    assert turn.text == f"<think>{text}"


def byte_by_byte(text: str) -> list[int]:
    """One token per byte: valid ids that no encoder gives."""
    single = {name: number for number, name in enumerate(vocabulary().token_bytes) if len(name) == 1}
    return [single[bytes([byte])] for byte in text.encode()]


# --- End of turn -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["<think>a</think><code>x</code>", "<think>a</think><answer>7</answer>", "just words"]
)
def test_what_is_learnt_at_the_end_of_a_turn_is_what_a_rollout_samples_there(text):
    """A rollout stops at a stop string or at the end-of-turn token, so SFT trains on exactly that."""
    written, sampled = talk_start(0, 1), talk_start(0, 1)
    written.append_text(text)
    ids = vocabulary().encode(text)
    if not text.endswith(STOP_STRINGS):
        ids.append(vocabulary().im_end)
    assert set(SamplingParams().stop) == set(STOP_STRINGS)
    sampled.append_sample(Sample(np.array(ids), np.full(len(ids), -1, np.float32), text, "stop"))
    for transcript in (written, sampled):
        transcript.append_observation(seen("out"))
    one, other = finish(written), finish(sampled)
    assert one.input_ids.tolist() == other.input_ids.tolist()
    assert one.loss_mask.tolist() == other.loss_mask.tolist()
    labels = one.input_ids[one.loss_mask].tolist()
    assert labels == ids
    # One end of turn, whoever wrote it, and the template's line break after it is never a label.
    after = one.input_ids[one.turns[0].end - 1 :].tolist()
    assert after.count(vocabulary().im_end) == 2  # this turn's and the observation's
    assert vocabulary().decode(labels).rstrip("\n") == vocabulary().decode(labels)


# --- smart_resize and the budget ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height"),
    [(1, 1), (3, 200), (28, 28), (57, 83), (1500, 1000), (5000, 4000), (28, 5600)],
)
def test_an_observed_image_has_whole_tokens_inside_the_budget_and_passes_the_processor_unchanged(
    width, height
):
    config = EnvConfig(prompt="minimal")
    _, (image,) = fit_result(CodeOutput(images=(Image.new("RGB", (width, height)),)), config)
    assert image.width % 28 == image.height % 28 == 0
    assert MIN_PIXELS <= image.pixels <= MAX_PIXELS
    assert visual_tokens(image_grid(image)) >= 4, "tiny crops are enlarged to four tokens"
    budget = {"factor": 28, "min_pixels": MIN_PIXELS, "max_pixels": MAX_PIXELS}
    assert upstream_resize(image.height, image.width, **budget) == (image.height, image.width)


@pytest.mark.parametrize("size", [(201, 1), (6000, 20), (20, 6000), (6000, 30), (40, 8000)])
def test_a_crop_too_narrow_is_a_tool_error_that_the_policy_reads(size):
    result, images = fit_result(CodeOutput("kept", images=(Image.new("RGB", size),)), EnvConfig())
    assert images == ()
    assert "an image was left out" in result.stderr
    assert "exceeds 200:1" in result.stderr
    assert result.stdout == "kept"
    with pytest.raises(ImageError):
        smart_resize(*smart_resize(size[1], size[0]))


def test_an_image_without_a_budget_is_refused_by_the_transcript():
    odd = EncodedImage.from_pil(Image.new("RGB", (100, 57)))
    with pytest.raises(TranscriptError, match=r"'p': a 100x57.*smart_resize"):
        Transcript(vocabulary(), name="p").start(SYSTEM, seen("<image>", odd))


# --- Image count x tokens ----------------------------------------------------------------------------------


def test_images_are_paid_for_in_expanded_tokens_and_have_budgets():
    """A picture is one marker in the text and hundreds of tokens in the context."""
    picture = noise_image(0, 20, 20)
    transcript = Transcript(vocabulary(), name="p", max_tokens=500)
    transcript.start("", seen("<image>", picture))
    assert 400 < len(transcript) < 430
    transcript.append_text("x</code>")
    with pytest.raises(ContextFull, match="exceed 500"):
        transcript.append_observation(seen("<image>", noise_image(1, 10, 10)))
    assert (MAX_TOKENS, MAX_IMAGES, EnvConfig().max_images) == (24_576, 50, 50)
    small = EnvConfig(tool_max_pixels=16 * 784)
    _, (image,) = fit_result(CodeOutput(images=(picture.decode(),)), small)
    assert visual_tokens(image_grid(image)) <= 16
    task = Task("t", "What?", (picture,), Answer("7"))
    episode = Episode(task, replace(small, max_episode_pixels=picture.pixels + 20 * 784))
    episode.start()
    for goes_on in (True, False):
        episode.act("<code>\n```python\nx\n```\n</code>")
        assert (episode.observe(CodeOutput(images=(picture.decode(),))) is not None) == goes_on


def test_fifty_images_fit_into_one_conversation_and_no_more():
    transcript = Transcript(vocabulary(), name="p")
    transcript.start("", seen("<image>" * 10, *[noise_image(n) for n in range(10)]))
    for number in range(4):
        transcript.append_text("<think>x</code>")
        transcript.append_observation(seen("<image>" * 10, *[noise_image(n) for n in range(10)]))
        assert len(transcript.images) == 20 + 10 * number
    transcript.append_text("<think>x</code>")
    with pytest.raises(ContextFull, match="50 images and 1 more exceed 50"):
        transcript.append_observation(seen("<image>", noise_image(0)))
    check_trajectory(finish(transcript))


# --- Order -------------------------------------------------------------------------------------------------


def test_pixel_values_follow_the_order_of_appearance():
    members = [finish(alike(1, 2)), finish(alike(3, 1)), finish(alike(2, 3))]
    batch = collate(members, vocabulary(), PixelCache())
    pixels = [pixel_inputs([image])[0] for member in members for image in member.images]
    assert torch.equal(batch.pixel_values, torch.cat(pixels))
    for row, member in zip(scored(*members), members, strict=True):
        assert (row - reference(member, forward(inputs_of(member)))[0]).abs().max() < EXACT
    # The trap: pictures of one size can be exchanged, and nothing but the numbers tells.
    exchanged = replace(members[0], images=members[0].images[::-1])
    assert (scored(exchanged) - scored(members[0])).abs().max() > WRONG


def alike(*seeds: int) -> Transcript:
    """A question with pictures of one size."""
    transcript = Transcript(vocabulary(), name="alike")
    transcript.start(SYSTEM, seen("<image>" * len(seeds), *[noise_image(seed, 2, 4) for seed in seeds]))
    transcript.append_text("<think>thought</think><code>x</code>")
    return transcript


def test_images_out_of_order_are_refused():
    good = scripted(name="p")
    with pytest.raises(TrajectoryError, match=r"'p'.*image 0.*does not have its grid's size"):
        collate([replace(good, images=good.images[::-1])], vocabulary(), PixelCache())


# --- Truncation --------------------------------------------------------------------------------------------


def test_an_observation_is_taken_whole_or_not_at_all():
    """Wherever the limit falls, also inside an image: it cuts between turns."""
    whole = talk(1, 2)
    observation = seen("<image>" * 2 + "part 1", *whole.images[1:])
    needed = whole.turns[1].start - whole.turns[0].end
    cut = talk(1, turns=1)
    ids = cut.input_ids
    for room in range(needed):
        cut.max_tokens = len(ids) + room
        with pytest.raises(ContextFull):
            cut.append_observation(observation)
        np.testing.assert_array_equal(cut.input_ids, ids)
        assert len(cut.images) == len(cut.image_spans) == 1
    trajectory = finish(cut)
    check_trajectory(trajectory)
    assert forward(inputs_of(trajectory)).shape[1] == len(ids), "ids and pixels agree"
    cut.max_tokens = len(ids) + needed
    cut.append_observation(observation)
    assert len(cut) == cut.max_tokens


def test_pads_cut_from_ids_without_their_image_are_refused():
    good = scripted(name="p")
    middle = good.image_spans[1].start + 3
    parts = {name: getattr(good, name)[:middle] for name in ("input_ids", "loss_mask", "logprobs")}
    cut = replace(good, **parts, turns=good.turns[:1])
    with pytest.raises((ValueError, StopIteration, IndexError, RuntimeError)):
        forward(inputs_of(cut))  # the trap: placeholders and features do not match
    with pytest.raises(TrajectoryError, match=r"'p'.*image 1 at .* is out of order or out of range"):
        collate([cut], vocabulary(), PixelCache())
