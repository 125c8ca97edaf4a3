"""The kit through verl's own worker, and what the kit does not ask: run by verl's interpreter.

usage: verl_conformance.py MODEL FOLDER EXAMPLE COMMAND ..., the last two as `verl_settings.py` wants them
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from verl.workers.rollout.replica import TokenOutput
from verl_scripted import VerlDriver, real_tokens, recited_logprobs, spell, verl_config
from verl_settings import checked_settings

from deepeyes_env.adapters import verl as adapter
from deepeyes_env.config import ConfigError, EnvConfig, load_config
from deepeyes_env.episode import Observation
from deepeyes_env.tasks.worlds.oracles.turns import answer, code
from deepeyes_env.testing import Script, adapter_config, adapter_scripts, check_adapter
from deepeyes_env.testing import adapter as testing_adapter
from deepeyes_env.testing.reference import expected

SETTINGS = """
prompt = "minimal"
max_turns = 4
max_pixels = 200704
tool_max_pixels = 50176
source = {families = ["closer-look", "portrait-fact", "spot-the-change"], difficulty = 0.0}
"""

CROP = Script(
    "crop", 0, "train", 0, (code("Crop.", "image_1.crop((0, 0, 140, 90))"), answer("So.", "nothing"))
)
SLOW = Script("slow", 0, "train", 0, (code("Wait.", "import time\ntime.sleep(2)"),))


def main(model: Path, folder: Path, example: str, command: list[str]) -> None:
    env, broken = folder / "env.toml", folder / "broken.toml"
    env.write_text(SETTINGS)
    broken.write_text(
        SETTINGS + 'sandbox_backend = {kind = "http", url = "http://127.0.0.1:9", retry_seconds = 0.01}\n'
    )
    assert load_config(EnvConfig, env) == adapter_config()
    driver = VerlDriver(verl_config(model, env), [*adapter_scripts(), CROP, SLOW], folder)

    check_adapter(driver)
    print("ok: the kit passes")
    batch = driver.batch(adapter_scripts())
    assert_the_ids_are_our_own(driver, batch)
    assert_the_logprobs_are_the_engines(driver, batch)
    assert_the_metrics_are_there(batch)
    assert_the_kit_finds_what_is_broken(driver)
    assert_nothing_is_given_where_the_settings_say_so(driver)
    assert_nothing_of_what_does_not_fit_is_kept(driver)
    assert_a_turn_that_was_cut_is_not_performed(driver)
    assert_infrastructure_is_not_scored(driver, broken)
    assert_what_must_not_be_sampled_is_refused(driver)
    assert_bad_settings_are_refused()
    print(json.dumps(checked_settings(example, command)))


def assert_the_ids_are_our_own(driver: VerlDriver, batch: Any) -> None:
    """verl's builder lays the tokens down as our own rollouts do, so that both train the same model."""
    from agents.policy import Sample
    from agents.transcript import Transcript
    from agents.vocabulary import Vocabulary

    vocabulary = Vocabulary(driver.tokenizer)
    for number, (script, wanted) in enumerate(zip(adapter_scripts(), expected(), strict=True)):
        seen = [Observation(s.text, tuple(s.images)) for s in wanted.observations]
        transcript = Transcript(vocabulary, name=script.name)
        transcript.start(driver.rows[driver.places[script.name]]["raw_prompt"][0]["content"], seen[0])
        for turn, said in enumerate(driver.client.recitals[script.name].said):
            text = vocabulary.turn_text(said, ())
            text = transcript.append_sample(
                Sample(np.array(said), np.zeros(len(said), np.float32), text, "stop")
            )
            assert text == script.turns[turn]
            if turn + 1 < len(seen):
                transcript.append_observation(seen[turn + 1])
        ids, mask = real_tokens(batch[number])
        assert ids == transcript.input_ids.tolist(), script.name
        assert mask == transcript.loss_mask.tolist(), script.name
        pixels = batch[number].non_tensor_batch["multi_modal_inputs"]["pixel_values"]
        assert_same_pixels(pixels, transcript.images)
    print("ok: the ids are our own")


def assert_same_pixels(pixels: torch.Tensor, images: Any) -> None:
    from agents.qwen import pixel_inputs

    torch.testing.assert_close(pixels.float(), pixel_inputs(images)[0], atol=1e-5, rtol=1e-5)


def assert_the_logprobs_are_the_engines(driver: VerlDriver, batch: Any) -> None:
    for number, script in enumerate(adapter_scripts()):
        said = driver.client.recitals[script.name].said
        logprobs, mask = (batch[number].batch[name] for name in ("rollout_log_probs", "response_mask"))
        assert logprobs[mask.bool()].tolist() == [x for turn in said for x in recited_logprobs(turn)]
        assert not logprobs[~mask.bool()].any()
    print("ok: the log-probabilities are the engine's")


def assert_the_metrics_are_there(batch: Any) -> None:
    """`filter_groups.metric=acc` reads the first of them, whatever the shaped reward is."""
    for number, (script, wanted) in enumerate(zip(adapter_scripts(), expected(), strict=True)):
        row = batch[number].non_tensor_batch
        assert row["reward_extra_info"]["acc"] == row["acc"]
        assert row["acc"] == (float(sum(wanted.rewards)) > 0.5), script.name
        assert row["__num_turns__"] == len(wanted.observations) + len(script.turns)
    assert set(batch.non_tensor_batch["agent_name"]) == {"deepeyes"}
    assert set(batch.meta_info["reward_extra_keys"]) == {
        "acc",
        "format",
        "answered",
        "truncated",
        "malformed",
    }
    print("ok: the metrics are there")


def assert_the_kit_finds_what_is_broken(driver: VerlDriver) -> None:
    agent_loop = adapter.DeepEyesAgentLoop

    async def encoded_again(self: Any, ids: list[int], sampled: list[int], *args: Any, **kwargs: Any) -> Any:
        again = self.tokenizer.encode(self.tokenizer.decode(sampled), add_special_tokens=False)
        kwargs["assistant_logprobs"] = [0.0] * len(again)
        return await super(agent_loop, self).ct_merge_assistant_token(ids, again, *args, **kwargs)

    def always_the_first(row: Any) -> Any:
        return 0, "train", 0

    broken = {
        r"are not the \d+ sampled ones": mock.patch.object(
            agent_loop, "ct_merge_assistant_token", encoded_again, create=True
        ),
        "the text differs": mock.patch.object(adapter, "_place", always_the_first),
    }
    few = {"adapter_scripts": adapter_scripts()[:4], "expected": expected()[:4]}
    kit = [mock.patch.object(testing_adapter, name, lambda found=found: found) for name, found in few.items()]
    for message, breaking in broken.items():
        with kit[0], kit[1], breaking, pytest.raises(AssertionError, match=message):
            check_adapter(driver)
    print("ok: the kit finds what is broken")


def assert_nothing_is_given_where_the_settings_say_so(driver: VerlDriver) -> None:
    """Without the pre-filled `<think>`, which the script's second turn then lacks."""
    with driver.settings(think_prefill=False):
        ids, mask = real_tokens(driver.batch([CROP])[0])
    first = mask.index(0, mask.index(1))
    between = driver.tokenizer.decode(ids[first : mask.index(1, first)])
    assert between.endswith("<|im_end|>\n<|im_start|>assistant\n")
    print("ok: nothing is given where the settings say so")


def assert_nothing_of_what_does_not_fit_is_kept(driver: VerlDriver) -> None:
    """An observation whose tokens do not fit leaves neither tokens nor images behind (verl#4050)."""
    with driver.settings(response=len(spell(driver.tokenizer, CROP.turns[0])) + 10):
        row, recital = driver.batch([CROP])[0], driver.client.recitals["crop"]
    ids, mask = real_tokens(row)
    assert ids == recital.prompts[0] + recital.said[0]
    assert sum(mask) == len(recital.said[0])
    assert len(row.non_tensor_batch["multi_modal_inputs"]["image_grid_thw"]) == 1
    assert (row.non_tensor_batch["truncated"], float(row.batch["rm_scores"].sum())) == (1, 0)
    print("ok: nothing of what does not fit is kept")


def assert_a_turn_that_was_cut_is_not_performed(driver: VerlDriver) -> None:
    with driver.settings(max_turn_tokens=20):
        row, recital = driver.batch([CROP])[0], driver.client.recitals["crop"]
    assert [len(said) for said in recital.said] == [20]
    assert real_tokens(row)[0] == recital.prompts[0] + recital.said[0]
    assert row.non_tensor_batch["truncated"] == 1
    print("ok: a turn that was cut is not performed")


def assert_infrastructure_is_not_scored(driver: VerlDriver, broken: Path) -> None:
    """A sandbox that is not there, a tool that hangs, an engine that gives up: none makes a row."""
    driver.client.turns["crop"] = CROP.turns[:1] * 2  # the episode is begun anew
    with driver.settings(env=str(broken)), failure("attempts: 2: the code server cannot be reached"):
        driver.batch([CROP])
    late = failure("attempts: 1: a turn was not performed within 0.2 s")
    with driver.settings(tool_seconds=0.2, infra_retries=0), late:
        driver.batch([SLOW])
    with driver.settings(infra_retries=0), saying(driver, "aborted"), failure("the engine broke a turn off"):
        driver.batch([CROP])
    print("ok: infrastructure is not scored")


def assert_what_must_not_be_sampled_is_refused(driver: VerlDriver) -> None:
    refusal = pytest.raises(adapter.UnexpectedTokens, match=r"the engine sampled <\|image_pad\|>")
    with saying(driver, "stop", "<|image_pad|>", "<|im_end|>"), refusal:
        driver.batch([CROP])
    print("ok: what must not be sampled is refused")


def assert_bad_settings_are_refused() -> None:
    for bad in ({"max_turn_tokens": 0}, {"infra_retries": -1}, {"tool_seconds": 0}, {"tool_seconds": -1.5}):
        with pytest.raises(ConfigError, match=f"{next(iter(bad))} = .*: must be"):
            load_config(adapter.Settings, {"env": "env.toml"} | bad)
    print("ok: bad settings are refused")


def failure(message: str) -> Any:
    return pytest.raises(adapter.EpisodeFailed, match=message)


def saying(driver: VerlDriver, reason: str, *tokens: str) -> Any:
    """An engine that says these tokens in the place of every turn."""
    ids = driver.tokenizer.convert_tokens_to_ids(list(tokens))
    answer = TokenOutput(token_ids=ids, log_probs=recited_logprobs(ids), stop_reason=reason)
    return mock.patch.object(driver.client, "instead", answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
