"""Inspect's logs (`.eval`): every conversation with its tool calls, images and scores, for `inspect view`.

Inspect's own classes build and write them (inspect_ai 0.3.285), and its own metrics count them. A log is one
suite in one mode with one seed; samples of the same item are its epochs. A turn is taken apart by the
project's parser: reasoning, text, and the call as a tool call, whose result is the tool's message; the
turn as the policy wrote it stays in the message's metadata.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.convert.chat import pieces
from agents.convert.image_folder import data_url
from agents.store import TrajectoryReader
from agents.trajectory import Trajectory, Turn
from benchmarks.interchange.exported import UNJUDGED, UNSCORED, Exported, is_unjudged
from benchmarks.interchange.series import (
    Series,
    all_series,
    conversation,
    facts,
    file_name,
    infrastructure_failed,
    open_trajectories,
)
from benchmarks.result import Result
from benchmarks.run_folder import CARD, Run
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import (
    IMAGE_MARKER,
    Finish,
    RunCode,
    SearchImage,
    SearchText,
    parse_turn,
    turn_spans,
)
from deepeyes_env.tasks.sft_json import Message

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample
    from inspect_ai.model import ChatMessage
    from inspect_ai.scorer import Score
    from inspect_ai.tool import ToolCall

SCORES: Mapping[str, Callable[[Result], float | None]] = {
    "accuracy": lambda one: None if one.correct is None else float(one.correct),
    "official": lambda one: one.official,
}
"""The two scores by name: our verdict, and the suite's own metric."""


def write(run: Run, out: Path) -> Exported:
    """Write one log for each suite, mode and seed.

    Args:
        run: The evaluation.
        out: Folder of the logs: `inspect view --log-dir OUT`.

    Raises:
        ConfigError: inspect_ai is not installed, or the run has no trajectories.
    """
    if find_spec("inspect_ai") is None:
        raise ConfigError("inspect_ai is not installed: pip install 'deepeyes-gym[inspect]'")
    from inspect_ai.log import write_eval_log

    exported = Exported()
    out.mkdir(parents=True, exist_ok=True)
    with open_trajectories(run) as reader:
        for series in all_series(run):
            file = out / f"{file_name(f'{series.suite}-{series.setting}-{run.card.policy}')}.eval"
            write_eval_log(to_log(run, series, reader), file, format="eval")
            exported.samples += len(series.results)
            if unscored := sum(one.correct is None for one in series.results):
                exported.notes[UNSCORED] += unscored
            if unjudged := sum(map(is_unjudged, series.results)):
                exported.notes[UNJUDGED] += unjudged
    return exported


def to_log(run: Run, series: Series, reader: TrajectoryReader) -> EvalLog:
    """A series as one log, counted by Inspect.

    Args:
        run: The evaluation.
        series: What the log holds.
        reader: The conversations.
    """
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSpec, recompute_metrics

    card, name = run.card, f"{series.suite}-{series.setting}"
    items = list(dict.fromkeys(one.item for one in series.results))
    spec = EvalSpec(
        eval_id=_id(run, name, "eval"),
        run_id=_id(run, "run"),
        task_id=_id(run, name, "task"),
        created=datetime.fromtimestamp((run.path / CARD).stat().st_mtime, UTC).isoformat(timespec="seconds"),
        task=name,
        task_args={"suite": series.suite, "mode": series.mode, "seed": series.seed},
        dataset=EvalDataset(name=series.suite, samples=len(items), sample_ids=list(items)),
        model=f"deepeyes/{card.policy}",
        config=EvalConfig(epochs=1 + max(one.sample for one in series.results), epochs_reducer=["mean"]),
        packages=dict(card.versions),
        metadata={"settings": dict(card.settings), "suite": dict(card.suites.get(series.suite, {}))},
        scorers=[_scorer(name, series.results) for name in SCORES],
    )
    log = EvalLog(
        status="success",
        eval=spec,
        samples=[to_sample(one, conversation(reader, one), card.policy) for one in series.results],
    )
    if any(one.scores for one in log.samples or ()):
        recompute_metrics(log)
    return log


def to_sample(result: Result, trajectory: Trajectory | None, policy: str) -> EvalSample:
    """One draw.

    Args:
        result: What came of it.
        trajectory: Its conversation, where one was kept.
        policy: Name of the policy.
    """
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ModelOutput

    messages = [] if trajectory is None else list(to_messages(trajectory))
    answer = ChatMessageAssistant(id="answer", content=result.answer or "")  # unnamed, it draws one
    return EvalSample(
        id=result.item,
        epoch=1 + result.sample,
        input=messages[:2],
        target=trajectory.reference if trajectory is not None else "",
        messages=messages,
        output=ModelOutput(model=f"deepeyes/{policy}", choices=[ChatCompletionChoice(message=answer)]),
        scores=_scores(result) or None,
        error=_error(result),
        metadata=dict(facts(result)),
    )


def to_messages(trajectory: Trajectory) -> Iterator[ChatMessage]:
    """The conversation: system, question, then the policy's turns with what they led to."""
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser

    images = iter(trajectory.images)
    yield ChatMessageSystem(id="system", content=trajectory.system_prompt)
    yield ChatMessageUser(id="question", content=_content(trajectory.prompt, images))
    for number, turn in enumerate(trajectory.turns):
        yield from _turn(turn, number, images)


def _turn(turn: Turn, number: int, images: Iterator[EncodedImage]) -> Iterator[ChatMessage]:
    from inspect_ai.model import ChatMessageAssistant, ChatMessageTool, ChatMessageUser

    call = _call(turn.text, f"call-{number}")
    yield ChatMessageAssistant(
        id=f"turn-{number}",
        content=_said(turn.text),
        tool_calls=[call] if call else None,
        metadata={"turn": turn.text, "action": turn.action, "finish_reason": turn.finish_reason},
    )
    if not turn.observation:
        return
    shown = _content(turn.observation, images)
    if call is None:
        yield ChatMessageUser(id=f"observation-{number}", content=shown)
        return
    yield ChatMessageTool(
        id=f"observation-{number}",
        content=shown,
        tool_call_id=call.id,
        function=call.function,
        metadata={"ok": turn.tool_ok},
    )


def _said(text: str) -> list[Any]:
    """Reasoning and words of a turn; of a call nothing, of an answer its text."""
    from inspect_ai.model import ContentReasoning, ContentText

    action, content = parse_turn(text), list[Any]()
    for span in turn_spans(text):
        words = text[span.start : span.end]
        if span.kind == "think":
            words = words.removesuffix("</think>").strip().removeprefix("<think>").strip()
            content.append(ContentReasoning(reasoning=words))
        elif span.kind == "text" and words.strip():
            content.append(ContentText(text=words.strip()))
    if isinstance(action, Finish):
        content.append(ContentText(text=action.answer))
    return content


def _call(text: str, name: str) -> ToolCall | None:
    from inspect_ai.tool import ToolCall

    match parse_turn(text):
        case RunCode(code):
            return ToolCall(id=name, function="python", arguments={"code": code})
        case SearchText(query):
            return ToolCall(id=name, function="search", arguments={"query": query})
        case SearchImage(image, region):
            arguments = {"image": image, "region": None if region is None else list(region)}
            given = {key: value for key, value in arguments.items() if value is not None}
            return ToolCall(id=name, function="image_search", arguments=given)
    return None


def _content(text: str, images: Iterator[EncodedImage]) -> list[Any]:
    from inspect_ai.model import ContentImage, ContentText

    shown = tuple(next(images) for _ in range(text.count(IMAGE_MARKER)))
    return [
        ContentText(text=piece) if isinstance(piece, str) else ContentImage(image=data_url(piece))
        for piece in pieces(Message("user", text, shown))
    ]


def _scorer(name: str, results: Sequence[Result]) -> Any:
    """One of our scores; its error is over clusters (Inspect's `stderr` takes samples as independent)."""
    from inspect_ai.log._log import EvalMetricDefinition, EvalScorer  # of `EvalSpec`, which is public

    clusters = {one.cluster for one in results if SCORES[name](one) is not None}
    # Of a single cluster Inspect would divide by zero.
    options = {"cluster": "cluster"} if len(clusters) > 1 else None
    metrics = [
        EvalMetricDefinition(name="inspect_ai/mean"),
        EvalMetricDefinition(name="inspect_ai/stderr", options=options),
    ]
    return EvalScorer(name=name, metrics=metrics)


def _scores(result: Result) -> dict[str, Score]:
    """The verdicts that there are; a failed infrastructure or judge gives none."""
    from inspect_ai.scorer import Score

    return {
        name: Score(value=value, answer=result.answer, explanation=f"decided by {result.rule}")
        for name, score in SCORES.items()
        if (value := score(result)) is not None
    }


def _error(result: Result) -> Any:
    from inspect_ai.log import EvalError

    if not infrastructure_failed(result):
        return None
    message = "the infrastructure failed: not scored"
    return EvalError(message=message, traceback="", traceback_ansi="")


def _id(run: Run, *names: str) -> str:
    """An id that stays the same when the run is exported again (as long as Inspect's own)."""
    card = (run.path / CARD).read_bytes()
    return hashlib.sha256(b"\0".join([card, *(name.encode() for name in names)])).hexdigest()[:22]
