"""A short visual pre-training: it stands in for the eyes that a released Qwen2.5-VL already has.

A model built from scratch sees nothing, and neither SFT nor DAPO can teach it to see in minutes. So it first
answers single questions about generated pictures, as any vision-language model has before: *where* is the
small card (its box), what digit is on a card that fills the picture (*crop*) or half of it (*large*), or on
one that a second picture shows closer (*match*). No tools, no episodes, no code, and no task of any split:
lessons are drawn from a stream of their own.

What is trained on is the same kind of record as everywhere else, a `Trajectory` of one turn.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL import Image
from torch.optim import AdamW, Optimizer
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from agents.batch import token_logprobs
from agents.pixels import PixelCache
from agents.sampling import banned_mask
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.rewards.base import NO_REWARD
from deepeyes_env.tasks.worlds.perception import cards
from trainers.batching import shuffled
from trainers.distributed.engine import training
from trainers.quickstart.muon import Muon
from trainers.scoring import Scorer

LESSONS = {"where": 0.55, "large": 0.15, "crop": 0.15, "match": 0.15}
"""Kinds of lessons and their shares. Pointing is learned last, so it gets the most (lab: all four at 100 %
after 400 steps)."""

HARDER = frozenset({"match"})
"""Kinds that come in the second half. From the start they kept pointing from being learned with some seeds;
left out, cold start sometimes taught to go by the first picture after a closer look (lab)."""

VIEW = 112
"""Side in pixels at which a policy sees a canvas: 16 visual tokens."""

CLOSE = 56
"""Side in pixels at which it sees a crop of a small card: 4 visual tokens, the least that Qwen takes."""


Wording = Callable[[random.Random, str], str]
"""Makes a question's text of what is asked."""

OnLesson = Callable[[int, float], None]
"""Takes the number of finished steps and the step's loss."""


class Curriculum(Protocol):
    """Decides which lessons come next."""

    def batch(self) -> Sequence[Trajectory]:
        """The next lessons."""
        ...

    def note(self, lessons: Sequence[Trajectory], losses: Sequence[float]) -> None:
        """Told after each update how its lessons went: the loss of each in nats, summed over its tokens."""
        ...


@dataclass(frozen=True, slots=True)
class EyesConfig:
    """Settings, measured in a lab on one core.

    Attributes:
        seed: Fixes the lessons and their order.
        lessons: Pictures to draw; each is seen `steps * batch_size / lessons` times.
        steps: Optimiser updates.
        batch_size: Lessons per update.
        matrix_rate: Peak rate of Muon for the weight matrices. With AdamW alone at 1e-3 two of these skills
            took 800 steps instead of 400 (stack notes section 3.1).
        rate: Peak rate of AdamW for embeddings, patch projection, norms and biases.
        warmup_steps: Updates in which both rates rise from 0; from half of all steps on they fall.
        final_rate: Share of the peak rates that is left at the end.
    """

    seed: int = 0
    lessons: int = 5000
    steps: int = 400
    batch_size: int = 32
    matrix_rate: float = 0.02
    rate: float = 2e-3
    warmup_steps: int = 20
    final_rate: float = 0.05


def draw_lessons(
    count: int,
    seed: int,
    vocabulary: Vocabulary,
    *,
    stream: str = "lessons",
    worded: Wording = lambda rng, question: question,
) -> list[Trajectory]:
    """Draw lessons.

    Args:
        count: How many.
        seed: Fixes them.
        vocabulary: Encodes them.
        stream: Another stream gives other lessons; task sources have streams of their own.
        worded: Words the questions.

    Returns:
        One-turn trajectories; `family` is the kind of lesson.
    """
    rng = random.Random(f"visual pre-training/{stream}/{seed}")
    return [_lesson(rng, vocabulary, f"{stream}/{number}", worded) for number in range(count)]


def pretrain_eyes(
    config: EyesConfig,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    curriculum: Curriculum | None = None,
    on_step: OnLesson | None = None,
) -> None:
    """Train `model` in place on `config.lessons` lessons.

    Args:
        config: Settings.
        model: A Qwen2.5-VL.
        tokenizer: Its tokenizer.
        curriculum: What to learn from; default: lessons of `draw_lessons`, each kind with its fixed share.
        on_step: Called after every update.
    """
    scorer = _scorer(model, tokenizer)
    if curriculum is None:
        curriculum = FixedShares(config, draw_lessons(config.lessons, config.seed, scorer.vocabulary))
    optimizers = _optimizers(config, model)
    with training(model):
        for step in range(config.steps):
            for optimizer in optimizers:
                _set_rate(optimizer, _schedule(config, step))
            lessons = curriculum.batch()
            losses, tokens = _losses(model, scorer, lessons)
            loss = losses.sum() / tokens
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            curriculum.note(lessons, losses.tolist())
            if on_step is not None:
                on_step(step + 1, float(loss.detach()))


def exam(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, count: int = 300, seed: int = 0
) -> dict[str, float]:
    """Share of unseen lessons whose every digit is the likeliest one, by kind.

    Args:
        model: A Qwen2.5-VL.
        tokenizer: Its tokenizer.
        count: Lessons in all.
        seed: Fixes them; never those of the training stream.
    """
    scorer = _scorer(model, tokenizer)
    digits = torch.tensor(tokenizer.convert_tokens_to_ids(list("0123456789")))
    right: dict[str, list[bool]] = defaultdict(list)
    for lesson in draw_lessons(count, seed, scorer.vocabulary, stream="exam"):
        batch = scorer.batch([lesson])
        with torch.inference_mode():
            logits = model(
                input_ids=batch.input_ids,
                position_ids=batch.position_ids,
                pixel_values=batch.pixel_values,
                image_grid_thw=batch.image_grid_thw,
                mm_token_type_ids=batch.mm_token_type_ids,
            ).logits[0, :-1]
        targets = batch.input_ids[0, 1:]
        # Only what was seen counts, not the words around it.
        seen = batch.loss_mask[0, 1:] & torch.isin(targets, digits)
        right[lesson.family].append(bool((logits[seen].argmax(-1) == targets[seen]).all()))
    return {kind: sum(answers) / len(answers) for kind, answers in sorted(right.items())}


def _lesson(rng: random.Random, vocabulary: Vocabulary, name: str, worded: Wording) -> Trajectory:
    [kind] = rng.choices(list(LESSONS), list(LESSONS.values()))
    picture = cards.random_picture(rng, large=kind == "large")
    asked, answer = _question(kind, picture)
    views = tuple(map(EncodedImage.from_pil, _views(kind, picture)))
    first, *more = [IMAGE_MARKER] * len(views)
    shown = "\n".join([first, worded(rng, asked), *more])
    return lesson(vocabulary, name=name, kind=kind, question=shown, answer=answer, views=views)


def lesson(
    vocabulary: Vocabulary,
    *,
    name: str,
    kind: str,
    question: str,
    answer: str,
    views: tuple[EncodedImage, ...] = (),
) -> Trajectory:
    """One question and its answer as a trajectory of one turn.

    Args:
        vocabulary: Encodes them.
        name: Names the lesson.
        kind: Its kind.
        question: With one `<image>` per view.
        answer: What is learned.
        views: The pictures as the model sees them.
    """
    transcript = Transcript(vocabulary, name=name)
    transcript.start("", Observation(question, views))
    transcript.append_text(answer)
    transcript.annotate("answer")
    return transcript.to_trajectory(
        family=kind,
        question=question,
        reference=answer,
        answer=answer,
        reward=NO_REWARD,
        outcome=Outcome.ANSWERED,
        lineage=SeedLineage(0),
    )


def _question(kind: str, picture: cards.CardPicture) -> tuple[str, str]:
    """Question and answer.

    Answers look as they will in episodes: a small model looks at the picture from the token before a digit
    or a box, and with another token there cold start had to teach pointing and reading again (lab).
    """
    if kind == "where":
        return cards.where_question(picture.colour), cards.box_text(picture.look_box)
    return cards.question(picture.colour), f"<answer>{picture.digit}</answer>"


def _views(kind: str, picture: cards.CardPicture) -> list[Image.Image]:
    """The pictures as the model sees them."""
    canvas = cards.paint(picture)
    whole = canvas.resize((VIEW, VIEW), Image.Resampling.BICUBIC)
    close = canvas.crop(picture.look_box).resize((CLOSE, CLOSE), Image.Resampling.BICUBIC)
    return {"crop": [close], "match": [whole, close]}.get(kind, [whole])


def _scorer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Scorer:
    vocabulary = Vocabulary(tokenizer)
    return Scorer(
        vocabulary, PixelCache(), banned_mask(vocabulary, model.config.text_config.vocab_size), model.device
    )


def _losses(
    model: PreTrainedModel, scorer: Scorer, lessons: Sequence[Trajectory]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each lesson the sum over its tokens, `[B]`, and the number of all tokens."""
    batch = scorer.batch(lessons)
    return -token_logprobs(model, batch, scorer.banned).sum(-1), batch.loss_mask.sum()


class FixedShares:
    """Every lesson equally often; the harder kinds come in the second half."""

    def __init__(self, config: EyesConfig, lessons: Sequence[Trajectory]) -> None:
        """Begin with the easy kinds."""
        self._batches = _batches(config, lessons)

    def batch(self) -> list[Trajectory]:
        """The next lessons, `config.steps` times."""
        return next(self._batches)

    def note(self, lessons: Sequence[Trajectory], losses: Sequence[float]) -> None:
        """Nothing depends on how it went."""


def _batches(config: EyesConfig, lessons: Sequence[Trajectory]) -> Iterator[list[Trajectory]]:
    """`config.steps` batches, epoch after epoch in new orders."""
    easy = [lesson for lesson in lessons if lesson.family not in HARDER]
    order: list[Trajectory] = []
    for step in range(config.steps):
        known = easy if step < config.steps // 2 else lessons
        if len(order) < config.batch_size or step == config.steps // 2:
            order = [known[i] for i in shuffled(len(known), config.seed, step)]
        yield order[: config.batch_size]
        order = order[config.batch_size :]


def _optimizers(config: EyesConfig, model: PreTrainedModel) -> list[Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the rest, as Muon's authors advise."""
    matrices: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        inside = parameter.ndim == 2 and "embed_tokens" not in name
        (matrices if inside else rest).append(parameter)
    return [
        Muon(matrices, lr=config.matrix_rate),
        AdamW(rest, lr=config.rate, betas=(0.9, 0.99), weight_decay=0.0),
    ]


def _schedule(config: EyesConfig, step: int) -> float:
    """Share of the peak rate: up, level, and down from half-way on."""
    rise = (step + 1) / config.warmup_steps
    fall = 2 * (1 - step / config.steps)
    return min(1.0, rise, config.final_rate + (1 - config.final_rate) * fall)


def _set_rate(optimizer: Optimizer, share: float) -> None:
    for group in optimizer.param_groups:
        group.setdefault("peak", group["lr"])
        group["lr"] = group["peak"] * share
