"""Ids that come as they are must be those of the run's tokenizer: their texts tell."""

from __future__ import annotations

import unicodedata

from agents.convert.importer import Origin
from agents.trajectory import Trajectory, TrajectoryError, Turn, check_tokens
from agents.transcript import THINK
from agents.vocabulary import Vocabulary


def require_same_tokenizer(trajectory: Trajectory, vocabulary: Vocabulary, origin: Origin) -> None:
    """Refuse a trajectory whose ids mean something else to the run's tokenizer than what was said.

    Args:
        trajectory: What is to be added to the run.
        vocabulary: The run's tokenizer.
        origin: Where it comes from.

    Raises:
        DatasetError: It was written with another tokenizer.
    """
    mend = "import it into a run of its own, or give the --tokenizer that it was written with"
    try:
        check_tokens(trajectory, vocabulary)
    except TrajectoryError as error:
        raise origin.error(
            f"its tokens are not those of the run's tokenizer ({error})", mend, "input_ids"
        ) from error
    for number, turn in enumerate(trajectory.turns):
        said = _decoded(trajectory, turn, vocabulary)
        if not any(said.startswith(_normal(text)) for text in (turn.text, turn.text.removeprefix(THINK))):
            raise origin.error(
                f"turn {number} says {turn.text[:40]!r}, but its tokens {said[:40]!r} in the run's tokenizer",
                mend,
                "input_ids",
            )


def _decoded(trajectory: Trajectory, turn: Turn, vocabulary: Vocabulary) -> str:
    ids = trajectory.input_ids[turn.start : turn.end].tolist()
    return _normal(vocabulary.turn_text(ids, stop=()))


def _normal(text: str) -> str:
    """As tokenizers of Qwen2.5 write texts that they encode."""
    return unicodedata.normalize("NFC", text)
