"""Who is asked: a policy, or the guesser that sees no picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from agents.actor import Actor, text_vocabulary
from agents.scripted import Program, Script, ScriptSpeaker, script_name
from agents.speaker import PolicySpeaker, Speaker
from agents.trajectory import SeedLineage
from benchmarks.protocol.options import GUESSER, EvalOptions
from benchmarks.protocol.plan import Items, content_of
from benchmarks.protocol.presets import preset
from benchmarks.suites.suite import Item
from deepeyes_env.task import Answer, Task
from deepeyes_env.tasks_command.guesser import Example, TextGuesser
from trainers.curation.voices import voice_of


@dataclass(frozen=True, slots=True)
class Respondent:
    """Who is asked.

    Attributes:
        name: What reports call it.
        settings: Everything that decides what it says, besides the draw and the environment; of a checkpoint
            on this machine a hash of its files.
        versions: Stored with its trajectories.
        speaker: Takes the turns.
        spent: What it has cost so far, by name.
    """

    name: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    speaker: Speaker
    spent: Callable[[], Mapping[str, float]] = dict


@contextmanager
def open_respondent(options: EvalOptions, suites: Sequence[Items]) -> Iterator[Respondent]:
    """Open who is asked, for the block.

    Args:
        options: Name it.
        suites: What it will be asked; the guesser reads them.

    Raises:
        ConfigError: A package of its backend is not installed, or a server is not what it should be.
        ModelError: It is no Qwen2.5-VL.
    """
    if options.policy == GUESSER:
        guesser = scripted(guess_program(suites))
        yield replace(guesser, settings={**guesser.settings, "knows": _known(suites)})
        return
    with closing(Actor(options)) as actor:
        if isinstance(actor.speaker, PolicySpeaker):
            actor.speaker.think_prefill = preset(options.prompt).think_prefill
        settings = dict(voice_of(options, actor.vocabulary).settings)
        settings["think_prefill"] = actor.speaker.think_prefill
        yield Respondent(options.policy, settings, actor.versions, actor.speaker, lambda: _spent(actor))


def scripted(program: Program, name: str | None = None) -> Respondent:
    """A script as a respondent.

    Args:
        program: Writes the turns.
        name: What reports call it; default: the program's own name.
    """
    versions = {"policy": script_name(program)}
    speaker = ScriptSpeaker(program, text_vocabulary())
    return Respondent(name or versions["policy"].removeprefix("scripted:"), versions, versions, speaker)


def guess_program(suites: Sequence[Items]) -> Program:
    """Answers at once by what would have been right for a suite's most similar other questions.

    It knows the answers of all items but those of the asked one's cluster: of a twin or of another cycle of
    the same question it would otherwise know that the answer is another, or the same, one.
    """
    named = {items.suite.card.name: items for items in suites}

    @cache
    def known(suite: str) -> dict[str, tuple[str, Example]]:
        items = named[suite]
        return {item.task.id: (item.cluster, _example(item)) for item in map(items.item, range(len(items)))}

    def guesser(task: Task, lineage: SeedLineage) -> Script:
        del lineage  # it draws nothing
        everything = known(task.id.partition("/")[0])
        cluster = everything[task.id][0]
        others = [example for other, example in everything.values() if other != cluster]
        guess = TextGuesser(others).guess(task.question) if others else "unknown"
        yield f"<think>I see no picture.</think><answer>{guess}</answer>"

    return guesser


def _known(suites: Sequence[Items]) -> str:
    """A hash of all items: any of them may decide what is guessed of another."""
    contents = [content_of(items.item(index)) for items in suites for index in range(len(items))]
    return hashlib.sha256("\n".join(contents).encode()).hexdigest()


def _example(item: Item) -> Example:
    answer = item.task.answer
    if answer.choices and answer.text not in answer.choices:
        # By its label, which is an option of other questions too.
        label = next((label for label, option in answer.choices.items() if option == answer.text), None)
        answer = Answer(label or answer.text, choices=answer.choices)
    return item.task.question, answer


def _spent(actor: Actor) -> Mapping[str, float]:
    if actor.chat is None:
        return {}
    account = actor.chat.client.account
    return {
        "dollars": account.dollars,
        "requests": account.requests,
        "input_tokens": account.input,
        "output_tokens": account.output,
    }
