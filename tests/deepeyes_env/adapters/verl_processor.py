"""Qwen2.5-VL's processor for verl where there is no torchvision; verl imports it as `model.external_lib`.

The stock one has a slot for videos, which cannot be filled without it; and verl knows processors by the names
of their classes.
"""

from typing import Any

from transformers import AutoProcessor
from transformers.models.qwen2_5_vl import Qwen2_5_VLConfig

from agents.qwen import QwenProcessor


class Qwen2_5_VLProcessor(QwenProcessor):
    """Ours under the name that verl looks for."""

    def validate_inputs(self, *_: Any, **__: Any) -> None:
        """Nothing, as verl itself has it of Gemma 4's: it computes features from texts without placeholders.

        The transformers that verl pins (below 5.11) do not count Qwen's; ours do.
        """


AutoProcessor.register(Qwen2_5_VLConfig, Qwen2_5_VLProcessor, exist_ok=True)
