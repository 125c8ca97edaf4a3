"""Under Inspect's interpreter, with the project in a `site-packages`: the task is found by its name."""

import sys

from inspect_ai import eval
from inspect_ai.model import get_model
from inspect_conformance import spoken

model = get_model("mockllm/model", custom_outputs=lambda *_: spoken("<answer>x</answer>"), memoize=False)
(log,) = eval(
    "deepeyes_env/deepeyes", task_args={"episodes": 1}, model=model, log_dir=sys.argv[1], display="none"
)
assert log.status == "success", log.error
assert log.eval.task == "deepeyes_env/deepeyes", log.eval.task
print(len(log.samples), "sample")
