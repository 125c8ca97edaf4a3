"""Under Inspect's interpreter: the conformance kit through Inspect's own `eval` and log reader."""

import base64
import sys
from collections.abc import Sequence

from going_on import spoken_turns
from inspect_ai import Task, eval
from inspect_ai.log import EvalSample, read_eval_log
from inspect_ai.model import (
    ChatMessage,
    ChatMessageUser,
    ModelOutput,
    ModelUsage,
    get_model,
)

from deepeyes_env.adapters.inspect import player, reward, to_sample
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.testing import Played, Script, Seen, adapter_config, check_adapter


class InspectDriver:
    """Plays scripts as the samples of one evaluation by the model `mockllm`, and reads the log back."""

    def __init__(self, logs: str) -> None:
        self._logs = logs

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        env = DeepEyesAsyncEnv(len(scripts), adapter_config())
        task = Task([self.sample(env, one) for one in scripts], solver=player(env), scorer=reward())
        told = {one.name: one for one in scripts}
        model = get_model(
            "mockllm/model", custom_outputs=lambda said, *_: self.speak(told, said), memoize=False
        )
        (log,) = eval(
            task, model=model, log_dir=self._logs, max_samples=len(scripts), display="none", log_images=True
        )
        assert log.status == "success", log.error.message
        read = read_eval_log(log.location, resolve_attachments=True)
        by_name = {sample.id: sample for sample in read.samples}
        return [played(by_name[one.name]) for one in scripts]

    def sample(self, env, script):
        made = to_sample(env, script.index, script.split, script.seed)
        made.id = script.name
        made.input[0].metadata = {"script": script.name}  # tells the model whose turn it is
        return made

    def speak(self, told: dict[str, Script], said: list[ChatMessage]) -> ModelOutput:
        turns = spoken_turns(told[said[0].metadata["script"]])
        return spoken(turns[sum(one.role == "assistant" for one in said)])


def spoken(turn: str) -> ModelOutput:
    output = ModelOutput.from_content("mockllm/model", turn)
    output.usage = ModelUsage()  # mockllm would count with a tokenizer that it downloads
    return output


def played(sample: EvalSample) -> Played:
    shown = [seen(one) for one in sample.messages if one.role == "user"]
    score = sample.scores["reward"]
    return Played(shown, [score.value["total"]], score.metadata["outcome"])


def seen(message: ChatMessageUser) -> Seen:
    text, images = "", []
    for part in message.content:
        if part.type == "image":
            images.append(base64.b64decode(part.image.partition(",")[2]))
        text += "<image>" if part.type == "image" else part.text
    return Seen(text, images)


if __name__ == "__main__":
    check_adapter(InspectDriver(sys.argv[1]))
    print("conforms")
