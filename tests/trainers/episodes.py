"""The smallest model and scripted episodes for it, for tests and for the processes that they start."""

from __future__ import annotations

from PIL import Image

from agents.tiny import TinyShape
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward

TINIEST = TinyShape(hidden=32, layers=1, vision_layers=1)

CODE = "<think>Look closer.</think><code>\n```python\nimage_1.show()\n```\n</code>"


def episode(
    vocabulary: Vocabulary,
    number: int,
    *,
    tool: bool = True,
    picture: bool = True,
    accuracy: float = 1.0,
    outcome: Outcome = Outcome.ANSWERED,
) -> Trajectory:
    """An episode of one turn, or of two with a tool; about a picture, or about none."""
    image = EncodedImage.from_pil(Image.new("RGB", (56, 56), (number * 37 % 256, 90, number % 256)))
    shown = (image,) if picture else ()
    marker = "<image>\n" if picture else ""
    transcript = Transcript(vocabulary, name=f"test/{number}")
    transcript.start("Look.", Observation(f"{marker}Which digit is {number}?", shown))
    if tool:
        transcript.append_text(CODE)
        transcript.annotate("code", True)
        transcript.append_observation(Observation("Images:\n<image>", (image,)))
    transcript.append_text(f"<think>It is {number % 10}.</think><answer>{number % 10}</answer>")
    transcript.annotate("answer")
    return transcript.to_trajectory(
        family="test",
        question=f"Which digit is {number}?",
        reference=str(number % 10),
        answer=str(number % 10),
        reward=Reward(accuracy, 1.0, 0.8 * accuracy + 0.2),
        outcome=outcome,
        lineage=SeedLineage(run_seed=0, prompt=number),
    )
