"""Qwen2.5-VL's processor for verl where there is no torchvision; verl imports it as `model.external_lib`.

The stock one has a slot for videos, which cannot be filled without it; and verl knows processors by the names
of their classes.
"""

from transformers import AutoProcessor
from transformers.models.qwen2_5_vl import Qwen2_5_VLConfig

from agents.qwen import QwenProcessor


class Qwen2_5_VLProcessor(QwenProcessor):
    """Ours under the name that verl looks for."""


AutoProcessor.register(Qwen2_5_VLConfig, Qwen2_5_VLProcessor, exist_ok=True)
