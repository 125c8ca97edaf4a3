"""Under Inspect's interpreter: what the adapter does beside playing, each in an evaluation by Inspect."""

import math
import sys
from dataclasses import dataclass
from unittest import mock

from going_on import INVENTED
from inspect_ai import Task, eval
from inspect_ai.approval import Approval, ApprovalPolicy, approver
from inspect_ai.log import read_eval_log
from inspect_ai.model import (
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    ModelOutput,
    ModelUsage,
    get_model,
)
from inspect_ai.tool import ToolCall
from inspect_conformance import spoken

from deepeyes_env.adapters.inspect import deepeyes, player, reward, to_sample, written
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.protocol import STOP_STRINGS
from deepeyes_env.sandbox.base import CellResult, CellStatus, SandboxError
from deepeyes_env.testing import adapter_config

LOOK = "<think>Look.</think>\n<code>\n```python\nimage_1\n```\n</code>"
SEARCH = '<think>Ask.</think>\n<tool_call>\n{"name": "search", "arguments": {"query": "x"}}\n</tool_call>'
GUESS = "<think>I guess.</think>\n<answer>certainly not</answer>"


@dataclass
class FailingSandbox:
    """Fails for the tasks with two images."""

    images: int = 1

    def open(self, images, seed=0):
        return FailingSandbox(len(images))

    def run(self, code):
        if self.images > 1:
            raise SandboxError("the socket is gone")
        return CellResult(CellStatus.OK, stdout="fine")

    def close(self):
        pass


def run(logs, turns, *, indices=(0,), **options):
    """The samples of an evaluation in which every episode takes these turns."""
    env = DeepEyesAsyncEnv(4, adapter_config(), sandbox=FailingSandbox())
    task = Task([to_sample(env, index, "train") for index in indices], solver=player(env), scorer=reward())
    (log,) = eval(task, model=script(turns), log_dir=logs, display="none", **options)
    return read_eval_log(log.location, resolve_attachments=True)


def script(turns):
    def speak(said, *_):
        turn = turns[sum(one.role == "assistant" for one in said)]
        return turn if isinstance(turn, ModelOutput) else spoken(turn)

    return get_model("mockllm/model", custom_outputs=speak, memoize=False)


def failed_infrastructure_is_an_error_and_no_score(logs):
    log = run(logs, [LOOK, GUESS], indices=(0, 2), fail_on_error=False)
    fine, failed = log.samples
    assert fine.error is None
    assert fine.scores["reward"].metadata["outcome"] == "answered"
    assert not failed.scores, failed.scores
    assert "the socket is gone" in failed.error.message
    assert log.results.completed_samples == 1


def failed_infrastructure_is_no_score_where_errors_are_scored(logs):
    log = run(logs, [LOOK, GUESS], indices=(0, 2), fail_on_error=False, score_on_error=True)
    fine, failed = log.samples
    assert failed.error is not None
    assert math.isnan(failed.scores["reward"].value)
    assert "the socket is gone" in failed.scores["reward"].explanation
    means = {score.name: score.metrics["mean"].value for score in log.results.scores}
    assert means == fine.scores["reward"].value


def an_episode_that_cannot_begin_is_no_score_where_errors_are_scored(logs):
    began = DeepEyesAsyncEnv.begin

    async def begin(self, index, *rest):
        if index == 2:
            raise OSError("the data set's disk is gone")
        return await began(self, index, *rest)

    with mock.patch.object(DeepEyesAsyncEnv, "begin", begin):
        log = run(logs, [GUESS], indices=(0, 2), fail_on_error=False, score_on_error=True)
    failed = log.samples[1]
    assert failed.error is not None
    assert math.isnan(failed.scores["reward"].value)
    assert failed.scores["reward"].explanation == "the data set's disk is gone"


def limits_of_inspect_truncate(logs):
    log = run(logs, [LOOK, LOOK, GUESS], message_limit=4)
    (sample,) = log.samples
    assert sample.limit.type == "message"
    assert sample.scores["reward"].value == {"accuracy": 0.0, "format": 0.0, "total": 0.0}
    assert sample.scores["reward"].metadata["outcome"] == "truncated"


def a_full_context_truncates(logs):
    full = spoken(LOOK)
    full.choices[0].stop_reason = "model_length"
    (sample,) = run(logs, [full]).samples
    assert sample.scores["reward"].metadata["outcome"] == "truncated"


def a_turn_that_is_cut_off_truncates_unless_it_is_whole(logs):
    for turn, outcome in (("<think>so many", "truncated"), (GUESS, "answered"), (GUESS + " and", "answered")):
        cut = spoken(turn)
        cut.choices[0].stop_reason = "max_tokens"
        (sample,) = run(logs, [cut]).samples
        assert sample.scores["reward"].metadata["outcome"] == outcome, turn


def what_follows_a_stop_string_is_not_heard(logs):
    (sample,) = run(logs, [LOOK + INVENTED, GUESS.removesuffix("</answer>")]).samples
    score = sample.scores["reward"]
    assert (score.metadata["turn"], score.metadata["outcome"], score.answer) == (
        2,
        "answered",
        "certainly not",
    )
    assert [one.text for one in sample.messages if one.role == "assistant"] == [LOOK, GUESS]

    parts = [
        ContentReasoning(reasoning="Look."),
        ContentText(text=LOOK.partition("</think>\n")[2] + INVENTED),
    ]
    apart = ModelOutput.from_content("mockllm/model", parts)
    apart.usage = ModelUsage()
    (sample,) = run(logs, [apart, GUESS]).samples
    assert sample.scores["reward"].metadata["turn"] == 2
    assert "tool_response" not in sample.messages[2].text


def tags_that_reasoning_mentions_are_talk(logs):
    for thought in ("I write <code>...</code>, then <answer>...</answer>.", "Not <code>."):
        for said in ("<answer>certainly not</answer>", "<answer>certainly not"):
            parts = [ContentReasoning(reasoning=thought), ContentText(text=said)]
            apart = ModelOutput.from_content("mockllm/model", parts)
            apart.usage = ModelUsage()
            (sample,) = run(logs, [apart]).samples
            score = sample.scores["reward"]
            assert (score.metadata["outcome"], score.answer) == ("answered", "certainly not"), (thought, said)


def reasoning_that_a_stop_string_ended_is_the_turn(logs):
    ended = ModelOutput.from_content("mockllm/model", [ContentReasoning(reasoning=LOOK + INVENTED)])
    ended.usage = ModelUsage()
    (sample,) = run(logs, [ended, GUESS]).samples
    assert sample.scores["reward"].metadata["turn"] == 2


def calls_are_events_and_approvers_can_refuse_them(logs):
    (sample,) = run(logs, [LOOK, SEARCH, GUESS], indices=(1,)).samples
    events = [event for event in sample.events if event.event == "tool"]
    assert [(one.function, one.arguments) for one in events] == [
        ("python", {"code": "image_1"}),
        ("search", {"query": "x"}),
    ]
    assert "fine" in events[0].result[0].text
    assert len([event for event in sample.events if event.event == "model"]) == 3

    (sample,) = run(logs, [LOOK, GUESS], approval=[ApprovalPolicy(never(), "*")], fail_on_error=False).samples
    assert "not performed" in sample.error.message, sample.error
    assert not sample.scores


@approver
def never():
    async def approve(message, call, view, history):
        return Approval(decision="reject", explanation="not today")

    return approve


def what_services_take_apart_is_put_together(logs):
    thought = ContentReasoning(reasoning="Ask.")
    call = ToolCall(id="1", function="search", arguments={"query": "x"})
    taken = ChatMessageAssistant(content=[thought, ContentText(text="")], tool_calls=[call])
    assert "".join(written(taken)).split() == SEARCH.split()
    text = ContentText(text=GUESS.partition("</think>\n")[2])
    said = ChatMessageAssistant(content=[ContentReasoning(reasoning="I guess."), text])
    assert "".join(written(said)) == GUESS

    whole = ModelOutput.from_content("mockllm/model", [thought, ContentText(text="")])
    whole.choices[0].message.tool_calls, whole.usage = [call], ModelUsage()
    (sample,) = run(logs, [whole, GUESS], indices=(1,)).samples
    assert sample.scores["reward"].metadata["turn"] == 2
    assert [one.role for one in sample.messages] == ["system", "user", "assistant", "user", "assistant"]


def the_task_is_found_by_its_file(logs):
    """As `inspect eval FILE` finds it, which also makes the adapter's folder the working directory."""
    settings = {"source": {"families": ["spot-the-change"]}, "max_turns": 3, "prompt": "minimal"}
    looks = "<think>Look.</think>\n<code>\n```python\nprint(image_2.size)\n```\n</code>"
    (log,) = eval(
        "deepeyes_env/adapters/inspect.py",
        task_args={"episodes": 2, "env": settings},
        model=script([looks, GUESS]),
        log_dir=logs,
        display="none",
        epochs=2,
    )
    assert log.status == "success", log.error.message
    assert len(log.samples) == 4
    assert {one.metadata["split"] for one in log.samples} == {"validation"}
    assert log.eval.task_args["env"] == settings
    assert log.eval.metadata["env"]["max_turns"] == 3
    assert log.plan.config.stop_seqs == list(STOP_STRINGS)
    assert [score.name for score in log.results.scores] == ["accuracy", "format", "total"]
    assert all("stdout" in one.messages[3].content[0].text for one in log.samples)
    assert deepeyes(split="test", episodes=1).dataset[0].metadata["index"] == 0


if __name__ == "__main__":
    for check in (
        failed_infrastructure_is_an_error_and_no_score,
        failed_infrastructure_is_no_score_where_errors_are_scored,
        an_episode_that_cannot_begin_is_no_score_where_errors_are_scored,
        limits_of_inspect_truncate,
        a_full_context_truncates,
        a_turn_that_is_cut_off_truncates_unless_it_is_whole,
        what_follows_a_stop_string_is_not_heard,
        tags_that_reasoning_mentions_are_talk,
        reasoning_that_a_stop_string_ended_is_the_turn,
        calls_are_events_and_approvers_can_refuse_them,
        what_services_take_apart_is_put_together,
        the_task_is_found_by_its_file,
    ):
        check(sys.argv[1])
        print("ok", check.__name__, flush=True)
