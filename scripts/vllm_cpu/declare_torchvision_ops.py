"""Lets PyPI's torchvision, a CUDA build, be imported beside a CPU torch, in every process of an environment.

`build.sh` copies this file into the environment's site-packages, with a `.pth` file that imports it.
torchvision registers fake kernels of `nms` and `qnms` when it is imported, and their definitions are in its
CUDA library. vLLM's Qwen2.5-VL needs neither, only the package.
"""

import sys

OPERATORS = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class DeclareBeforeTorchvision:
    """An import hook that acts once, just before torchvision is looked for, and finds nothing itself."""

    library = None

    def find_spec(self, name, path=None, target=None):
        """Declare the operators if `name` is torchvision."""
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            # Kept: the declarations live as long as the library object.
            DeclareBeforeTorchvision.library = torch.library.Library("torchvision", "DEF")
            for operator in OPERATORS:
                self.library.define(operator + SIGNATURE)


sys.meta_path.insert(0, DeclareBeforeTorchvision())
