"""Hand-made trajectories for the tests of what shows and counts them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from agents.trajectory import ImageSpan, SeedLineage, Trajectory, Turn
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import NO_REWARD, Reward

SPOKEN = {
    "code": "<think>The sign is small: I crop it.</think>\n<code>\n```python\n"
    "# enlarge the sign\ncrop = image_1.crop((30, 40, 90, 80)).resize((240, 160))\nprint('size', crop.size)\n"
    "crop.show()\n```\n</code>",
    "search": "<think>Who built it?</think>\n<tool_call>\n"
    '{"name": "search", "arguments": {"query": "Old Mill"}}\n</tool_call>',
    "image_search": '<think>Look it up.</think>\n<tool_call>\n{"name": "image_search"}\n</tool_call>',
    "malformed": "I do not know what to do",
    "answer": "<think>It reads 42.</think>\n<answer>42</answer>",
}


class ByteTokenizer:
    """One token per byte."""

    def decode(self, token_ids):
        return bytes(token_ids).decode("latin-1")


def picture(colour: str, label: str, size: tuple[int, int] = (280, 196)) -> EncodedImage:
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).text((12, 12), label, fill="white")
    return EncodedImage.from_pil(image)


def trajectory(
    *actions: str,
    question: str = "Which number is on the sign?",
    family: str = "closer-look",
    task_id: str = "fictional/closer-look/train/17",
    answer: str | None = "42",
    reference: str = "42",
    accuracy: float = 1.0,
    outcome: Outcome = Outcome.ANSWERED,
    observation: str = "Code execution result:\nstdout:\n```\nsize (240, 160)\n```\n\nImages:\n<image>",
    tool_ok: bool = True,
    images: tuple[EncodedImage, ...] | None = None,
    lineage: SeedLineage | None = None,
    scored_tokens: bool = True,
) -> Trajectory:
    """A trajectory with one image in the question and one in each observation, one token per byte."""
    rng = np.random.default_rng(len(actions))
    images = images or (
        picture("#27496d", "question"),
        *(picture("#6d3b27", "tool", (240, 160)) for action in actions if action != "answer"),
    )
    ids: list[int] = []
    mask: list[bool] = []
    spans: list[ImageSpan] = []
    turns: list[Turn] = []

    def put(text: str, sampled: bool) -> None:
        for place, part in enumerate(text.split("<image>")):
            if place:
                spans.append(ImageSpan(len(ids), 70, (1, 14, 20)))
                put_ids([0] * 70, False)
            put_ids(list(part.encode()), sampled)

    def put_ids(new: list[int], sampled: bool) -> None:
        ids.extend(new)
        mask.extend([sampled] * len(new))

    put(f"<image>\n{question}\n", False)
    for number, action in enumerate(actions, start=1):
        start = len(ids)
        put(SPOKEN[action], True)
        seen = "" if number == len(actions) else observation
        ok = tool_ok if seen else None
        turns.append(Turn(start, len(ids), SPOKEN[action], action, observation=seen, tool_ok=ok))
        put(seen, False)
    logprobs = np.where(mask, -rng.exponential(0.6, len(ids)), 0.0) if scored_tokens else np.zeros(len(ids))
    return Trajectory(
        task_id=task_id,
        family=family,
        skills=("perception", "search") if "search" in actions else ("perception",),
        system_prompt="You can run code and search.",
        prompt=f"<image>\n{question}\n",
        question=question,
        reference=reference,
        answer=answer,
        input_ids=np.array(ids, np.int64),
        loss_mask=np.array(mask, np.bool_),
        logprobs=logprobs.astype(np.float32),
        images=images[: len(spans)],
        image_spans=tuple(spans),
        turns=tuple(turns),
        reward=NO_REWARD if outcome is Outcome.INFRA_FAILED else Reward(accuracy, 1.0, 0.8 * accuracy + 0.2),
        outcome=outcome,
        lineage=lineage or SeedLineage(7),
        token_exact=scored_tokens,
        versions={"policy": "tiny", "prompt": "full"},
    )
