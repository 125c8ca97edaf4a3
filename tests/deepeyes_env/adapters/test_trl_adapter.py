"""The environment in TRL's `GRPOTrainer`; where turns are scripted, all but the sampling is TRL's own."""

import importlib.util
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from going_on import INVENTED
from hypothesis import given, settings
from PIL import Image
from transformers import AutoTokenizer
from trl_driver import THINK, Rollout, TrlDriver, processor, row

from agents.batch import collate, token_logprobs
from agents.pixels import PixelCache
from agents.qwen import build_processor, pixel_inputs, save_qwen
from agents.scripted import demonstrate_many
from agents.speaker import RolloutRequest
from agents.tiny import TinyShape, build_tiny
from agents.trajectory import SeedLineage, Trajectory
from agents.vocabulary import BANNED_TOKENS, Vocabulary
from deepeyes_env.adapters import trl as adapter
from deepeyes_env.adapters.trl_template import CHAT_TEMPLATE, RESPONSE_TEMPLATE
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.chat_parts import up_to_stop
from deepeyes_env.config import EnvConfig
from deepeyes_env.protocol import Finish, Malformed, parse_turn
from deepeyes_env.sandbox.base import CellResult, CellStatus, SandboxError
from deepeyes_env.tasks import WorldConfig
from deepeyes_env.tasks.worlds.oracles.turns import answer, code
from deepeyes_env.testing import Script, adapter_config, adapter_scripts, check_adapter, turns

ROOT = Path(__file__).resolve().parents[3]


def test_rollouts_pass_the_conformance_kit():
    check_adapter(TrlDriver())


# --- What a turn is to TRL ---------------------------------------------------------------------------------


@settings(max_examples=150)
@given(turns())
def test_transformers_sees_a_call_where_the_environment_sees_one(text):
    text = text.encode("utf-8", "replace").decode()  # as it comes from a tokenizer
    given = THINK if text.startswith(THINK) else ""
    message = processor().tokenizer.parse_response(
        text.removeprefix(given), prefix=f"<|im_end|>\n<|im_start|>assistant\n{given}"
    )
    action = parse_turn(up_to_stop(text))
    if "tool_calls" in message:
        [call] = message["tool_calls"]
        assert call["function"] == {"name": "take_turn", "arguments": {"turn": text}}
        assert not isinstance(action, Finish)
    else:
        assert message.get("content", "") == text
        assert isinstance(action, Finish | Malformed)


def test_the_templates_are_saved_with_the_processor(tmp_path):
    processor().save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.response_template == RESPONSE_TEMPLATE
    assert loaded.chat_template == CHAT_TEMPLATE


def test_only_a_qwen_processor_is_prepared():
    other = build_processor(build_tiny().tokenizer)
    other.tokenizer.eos_token = "<|endoftext|>"
    with pytest.raises(ValueError, match=r"texts end with '<\|endoftext\|>' is not Qwen2.5-VL's"):
        adapter.prepare_processor(other)


def test_no_control_token_can_be_sampled():
    sampler = rollout().trainer.generation_config
    banned = processor().tokenizer.convert_ids_to_tokens(sampler.suppress_tokens)
    assert set(BANNED_TOKENS) <= set(banned)
    assert "<|im_end|>" not in banned


# --- What reaches the loss ---------------------------------------------------------------------------------


def rollout() -> Rollout:
    return TrlDriver().rollout


def script(name: str) -> Script:
    return next(one for one in adapter_scripts() if one.name == name)


def ours(*scripts: Script) -> list[Trajectory]:
    """The same turns in our own rollouts."""
    env = DeepEyesAsyncEnv(1, adapter_config())
    requests = [
        RolloutRequest(one.index, one.split, SeedLineage(0, prompt=n)) for n, one in enumerate(scripts)
    ]
    try:
        vocabulary = Vocabulary(processor().tokenizer)
        program = lambda _, lineage: (turn for turn in scripts[lineage.prompt].turns)  # noqa: E731
        return list(demonstrate_many(env, vocabulary, requests, program))
    finally:
        env.close()


def play(*scripts: Script) -> dict[str, Any]:
    """The inputs of TRL's loss."""
    one = rollout()
    one.play([row(script) for script in scripts], [script.turns for script in scripts])
    return one.output


def logprobs(output: dict[str, Any], **changes: Any) -> torch.Tensor:
    """TRL's own, of the completions' tokens."""
    trainer = rollout().trainer
    names = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")
    with torch.no_grad():
        found, _, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([output["prompt_ids"], output["completion_ids"]], 1),
            torch.cat([output["prompt_mask"], output["completion_mask"]], 1),
            output["completion_ids"].shape[1],
            **{name: output[name] for name in names} | changes,
        )
    return found


def test_tokens_pixels_and_logprobs_are_those_of_our_own_rollouts():
    scripts = [script("images from tools"), script("image search"), script("wrong answer")]
    output, trajectories = play(*scripts), ours(*scripts)
    vocabulary = Vocabulary(processor().tokenizer)
    for number, trajectory in enumerate(trajectories):
        ids = torch.cat(
            [
                output["prompt_ids"][number][output["prompt_mask"][number].bool()],
                output["completion_ids"][number][output["completion_mask"][number].bool()],
            ]
        ).tolist()
        # Ours ends with the stop string, TRL's with the end of the turn.
        assert ids == [*trajectory.input_ids.tolist(), vocabulary.im_end]
    images = [image for trajectory in trajectories for image in trajectory.images]
    pixels, grid = pixel_inputs(images)
    assert len(images) > len(scripts)
    torch.testing.assert_close(output["pixel_values"], pixels, atol=1e-5, rtol=0)
    assert output["image_grid_thw"].tolist() == grid.tolist()

    batch = collate(trajectories, vocabulary, PixelCache())
    nothing_banned = torch.zeros(rollout().trainer.model.config.text_config.vocab_size, dtype=torch.bool)
    with torch.no_grad():
        expected = token_logprobs(rollout().trainer.model, batch, nothing_banned)
    found, mask = logprobs(output), output["tool_mask"].bool() & output["completion_mask"].bool()
    ends = output["completion_ids"] == vocabulary.im_end
    torch.testing.assert_close(
        torch.cat([found[n][mask[n] & ~ends[n]] for n in range(len(scripts))]),
        expected[batch.loss_mask[:, 1:]],
        atol=1e-4,
        rtol=1e-4,
    )


def test_another_image_from_a_tool_changes_what_follows_it_and_nothing_before():
    output = play(script("images from tools"))
    pixels = output["pixel_values"].clone()
    patches = output["image_grid_thw"].prod(-1).tolist()
    second = slice(patches[0], patches[0] + patches[1])  # the first that a tool gave
    pixels[second] = -pixels[second]
    changed = (logprobs(output, pixel_values=pixels) - logprobs(output)).abs()[0] > 1e-6
    image = output["completion_ids"][0] == processor().image_token_id
    start = int(image.nonzero()[0])
    sampled = output["tool_mask"][0].bool()
    assert not changed[:start].any()
    assert changed[start:][sampled[start:]].float().mean() > 0.9


# --- How episodes end --------------------------------------------------------------------------------------


class BadSession:
    """Fails in its second cell with `error`."""

    def __init__(self, error: Exception) -> None:
        self.error, self.cells = error, 0

    def run(self, code: str) -> CellResult:
        self.cells += 1
        if self.cells == 2:
            raise self.error
        return CellResult(CellStatus.OK, "fine", images=(Image.new("RGB", (56, 56)),))

    def close(self) -> None:
        pass


class BadSandbox:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> BadSession:
        return BadSession(self.error)

    def close(self) -> None:
        pass


LOOK = code("I look.", "image_1")
GUESS = answer("I guess.", "certainly something else")


def ending(rollout: Rollout, *turns: str) -> tuple[str, int, list[str]]:
    """Outcome, turns sampled, and the roles of the completion's messages."""
    sampling = rollout.play([row(script("right answer"))], [turns])
    environment = rollout.trainer.environments[0]
    roles = [message["role"] for message in rollout.completions[0]]
    sampled = [int(token) for turn in sampling.sampled[0] for token in turn]
    kept = rollout.output["completion_ids"][0][rollout.output["tool_mask"][0].bool()]
    assert kept.tolist() == sampled
    return environment.result.info["outcome"], len(sampling.sampled[0]), roles


def test_a_turn_that_ends_the_episode_in_the_midst_of_the_loop_is_the_last():
    unfenced = "<think>No fence.</think><code>print(1)</code>"
    assert ending(rollout(), LOOK, unfenced, GUESS) == ("malformed", 2, ["assistant", "tool", "assistant"])
    assert rollout().rewards == [0.0]
    few = Rollout(adapter_config_with(max_images=2))
    assert ending(few, LOOK, LOOK, GUESS) == ("truncated", 2, ["assistant", "tool", "assistant"])
    assert few.output["num_images"] == [2]


def test_what_follows_a_stop_string_is_not_heard():
    assert ending(rollout(), LOOK + INVENTED, GUESS) == ("answered", 2, ["assistant", "tool", "assistant"])
    assert rollout().rewards == [0.2]


def test_a_turn_that_the_limit_cut_truncates_the_episode():
    cut = Rollout(adapter_config(), max_completion_length=3)
    assert ending(cut, "<think>many words") == ("truncated", 1, ["assistant"])
    assert ending(rollout(), "<think>many words") == ("malformed", 1, ["assistant"])


def test_a_result_that_does_not_fit_truncates_the_episode():
    small = Rollout(adapter_config(), max_completion_length=60)
    assert ending(small, LOOK, GUESS) == ("truncated", 1, ["assistant"])
    assert small.rewards == [0.0]


def test_what_the_infrastructure_fails_at_is_not_scored():
    failing = Rollout(adapter_config(), sandbox=BadSandbox(SandboxError("gone")))
    right = script("right answer")
    failing.play([row(right)] * 3, [(LOOK, LOOK, GUESS), right.turns, (LOOK, GUESS)])
    lost, solved, wrong = failing.rewards
    assert (lost, wrong) == (None, 0.2)
    assert solved > 0.9
    assert failing.output["advantages"].tolist()[0] == 0
    assert failing.trainer._metrics["eval"]["episodes/infra_failed"] == [pytest.approx(1 / 3)]
    assert failing.trainer._metrics["eval"]["episodes/accuracy"] == [pytest.approx(1 / 2)]


def test_an_error_is_not_shown_to_the_policy_but_raised():
    buggy = Rollout(adapter_config(), sandbox=BadSandbox(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        ending(buggy, LOOK, LOOK, GUESS)


def adapter_config_with(**changes: Any) -> EnvConfig:
    base = adapter_config()
    return EnvConfig(**{name: getattr(base, name) for name in base.__dataclass_fields__} | changes)


# --- What users do -----------------------------------------------------------------------------------------


def test_tasks_become_rows():
    config = EnvConfig(source=WorldConfig(families=("closer-look",)), prompt="minimal")
    rows = adapter.to_dataset([3, 5], config, split="validation", seed=7)
    assert rows["index"] == [3, 5]
    assert set(rows["split"]) == {"validation"}
    assert set(rows["seed"]) == {7}
    assert rows[0]["task_id"] == "fictional-0/closer-look/validation/3"
    assert [message["role"] for message in rows[0]["prompt"]] == ["system", "user"]
    assert rows[0]["prompt"][0]["content"].startswith("Answer.")


def test_the_documented_example_runs(documented, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    qwen = build_tiny(shape=TinyShape(hidden=32, layers=1, vision_layers=1))
    save_qwen(qwen, "runs/tiny")
    names: dict[str, Any] = {}
    exec(documented("TRL"), names)
    [step, *_] = names["trainer"].state.log_history
    assert math.isfinite(step["loss"])
    assert step["episodes/infra_failed"] == 0


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trl_grpo", ROOT / "examples" / "trl_grpo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_example_trains_on_images_of_tools(tmp_path, capsys):
    example().main(["--imitation", "50", "--steps", "1", "--output", str(tmp_path)])
    step = eval(capsys.readouterr().out.splitlines()[-1])
    assert step["tools/call_frequency"] > 0


def test_importing_the_adapter_needs_neither_torch_nor_trl():
    program = (
        "import sys, deepeyes_env.adapters.trl; assert not {'torch', 'trl', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
