"""How TRL and transformers read and write the environment's turns: templates for a Qwen2.5-VL's processor.

To TRL, a turn that asks for a tool is one call of `take_turn` with all that was sampled;
any other is content.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepeyes_env.config import EnvConfig
from deepeyes_env.images import MAX_PIXELS, PATCH_FACTOR
from deepeyes_env.protocol import STOP_STRINGS

END_OF_TURN = "<|im_end|>"
"""Ends every message of Qwen2.5-VL's chat template, and every sampled turn."""

CHAT_TEMPLATE = (Path(__file__).parent / "trl_chat_template.jinja").read_text(encoding="utf-8")
"""Qwen2.5-VL's chat template, with tool results as a user's messages and calls as the turns they were."""

_BLANK = r"[\s\x1c-\x1f]*+"
"""What `str.strip` removes; the module `regex` counts four separators less as white space."""

_WITHIN = f"(?:(?!{'|'.join(STOP_STRINGS)}).)*"
"""Anything before the first stop string: no other adapter hears what comes after it."""

_ASKS_FOR_A_TOOL = (
    rf"\A(?=(?>(?:{_WITHIN}</think>)?)"
    rf"(?:{_WITHIN}<code>{_WITHIN}</code>|{_WITHIN}<tool_call>{_BLANK}(?!</tool_call>){_WITHIN}</tool_call>))"
)
"""The start of a turn in which `parse_turn` finds a code block or a call, up to its first stop string."""

RESPONSE_TEMPLATE: dict[str, Any] = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "content": {"content_args": {"strip": False}},
        "tool_calls": {
            "open_pattern": _ASKS_FOR_A_TOOL,
            "repeats": True,
            "content_args": {"strip": False},
            "transform": {
                "type": "function",
                "function": {"name": "take_turn", "arguments": {"turn": "{content}"}},
            },
        },
    },
}
"""How transformers reads a turn (`transformers.utils.chat_parsing`): all is a call, or all is content."""


def prepare_processor(processor: Any) -> Any:
    """Make a Qwen2.5-VL processor speak the environment's tags in TRL.

    Installs the chat template and the response template, pads on the left as `GRPOTrainer` does, and takes
    images as the environment has fitted them, whatever the checkpoint's pixel budget.

    Args:
        processor: The model's `transformers` processor; changed in place. What it saves keeps the changes.

    Returns:
        The same processor.

    Raises:
        ValueError: It is not a Qwen2.5-VL's.
    """
    tokenizer = processor.tokenizer
    if tokenizer.eos_token != END_OF_TURN or "<|image_pad|>" not in tokenizer.get_vocab():
        raise ValueError(
            f"a processor whose texts end with {tokenizer.eos_token!r} is not Qwen2.5-VL's; load that of a "
            "Qwen2.5-VL checkpoint that was tuned for chat"
        )
    processor.chat_template = tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.response_template = RESPONSE_TEMPLATE
    tokenizer.padding_side = "left"
    processor.image_processor.size = {"shortest_edge": PATCH_FACTOR**2, "longest_edge": MAX_PIXELS}
    # Pillow's one gives arrays unless asked, with which TRL fails where no tool has given an image
    # (`trl.trainer.utils.split_pixel_values_by_grid`).
    processor.image_processor.return_tensors = "pt"
    return processor


def rollout_settings(processor: Any, config: EnvConfig) -> dict[str, Any]:
    """Fields of `GRPOConfig` that follow from the environment.

    Args:
        processor: Tells the control tokens. None but the end of a turn may be sampled: for a sampled image
            placeholder TRL drops the images of the whole batch.
        config: Tells the number of turns; the last one's tool call is not run.
    """
    added = processor.tokenizer.added_tokens_decoder.items()
    control = sorted(int(i) for i, token in added if token.special and str(token) != END_OF_TURN)
    return {
        "max_tool_calling_iterations": config.max_turns - 1,
        "generation_kwargs": {"suppress_tokens": control},
    }
