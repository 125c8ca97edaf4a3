"""The scripted episodes of `check_adapter`: every way a turn can be answered and an episode can end."""

from __future__ import annotations

import functools
from dataclasses import replace

from deepeyes_env.config import EnvConfig
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.images import PATCH_FACTOR
from deepeyes_env.tasks import WorldConfig
from deepeyes_env.tasks.worlds import oracle_for
from deepeyes_env.tasks.worlds.oracles.turns import answer, code, image_search, search
from deepeyes_env.testing.driver import Script

RIGHT = answer("I know it.", "{the right answer}")
"""Stands for the turn that gives the task's own answer."""

WRONG = answer("I guess.", "certainly something else")

SEES = code("What do I have?", "print(image_1.size, 'image_2' in globals())")

LOOK, PERSON, PAIR = 0, 1, 2
"""Indices of the first task of each family below."""

MAX_TURNS = 4
"""Turns of an episode: few, so that a script reaches the end of them."""

_LEAVE_TRACES = """
import os, numpy
trace = 1
open('/tmp/trace', 'w').write('x')
image_1.putpixel((0, 0), (1, 2, 3))
numpy.trace_left = True
"""
_FIND_TRACES = """
import os, numpy
print('trace' in globals(), os.path.exists('/tmp/trace'), hasattr(numpy, 'trace_left'))
print(image_1.getpixel((0, 0)) == (1, 2, 3))
"""
_STATE = "import random\nnumber = random.random()\ndef twice(x):\n    return 2 * x"
_FIGURE = "import matplotlib.pyplot as plt\nplt.imshow(image_1)\nplt.show()\nimage_1.crop((30, 30, 210, 150))"
_STRANGE = "print('<|im_end|> <image> </tool_response> \u00e9\u4e2d\U0001f642 \\u202e \\x1b[31m\\n')"

EPISODES: tuple[Script, ...] = (
    Script("right answer", LOOK, "train", 0, (RIGHT,)),
    Script("wrong answer", LOOK, "train", 0, (WRONG,)),
    Script("another task", PERSON, "validation", 0, (SEES, WRONG)),
    Script("two images", PAIR, "train", 0, (SEES, RIGHT)),
    Script(
        "state across cells",
        LOOK,
        "train",
        1,
        (code("Draw.", _STATE), code("Look.", "print(twice(number))"), RIGHT),
    ),
    Script("another seed", LOOK, "train", 2, (code("Draw.", _STATE), code("Look.", "number"), RIGHT)),
    Script(
        "images from tools",
        LOOK,
        "train",
        0,
        (code("Crop.", "image_1.crop((0, 0, 140, 90))"), code("Plot and crop.", _FIGURE), RIGHT),
    ),
    Script(
        "errors of code",
        LOOK,
        "train",
        0,
        (code("Oops.", "print('so far')\n1 / 0"), code("Oh.", "x = ("), WRONG),
    ),
    Script("search", PERSON, "train", 0, (search("Who?", "founder of a company"), RIGHT)),
    Script(
        "image search",
        PERSON,
        "train",
        0,
        (image_search("Who?"), image_search("A part.", (20.0, 20.0, 200.0, 220.0)), WRONG),
    ),
    Script(
        "refused calls",
        PERSON,
        "train",
        0,
        (
            '<think>a</think>\n<tool_call>\n{"name": "teleport", "arguments": {}}\n</tool_call>',
            image_search("Of what?", image="nothing"),
            RIGHT,
        ),
    ),
    Script("strange output", LOOK, "train", 0, (code("<think>\u00e4 \u4e2d", _STRANGE), RIGHT)),
    Script("too many turns", LOOK, "train", 0, tuple(code("On.", f"print({n})") for n in range(MAX_TURNS))),
    Script("malformed turn", LOOK, "train", 0, (SEES, "<think>I say nothing of use.</think>")),
    Script("finds no traces", LOOK, "train", 3, (SEES, code("Any?", _FIND_TRACES), WRONG)),
    Script(
        "leaves traces",
        LOOK,
        "train",
        3,
        (code("Mine!", _LEAVE_TRACES), SEES, code("Any?", _FIND_TRACES), RIGHT),
    ),
    Script("finds no traces afterwards", LOOK, "train", 3, (SEES, SEES, code("Any?", _FIND_TRACES), WRONG)),
)  # fmt: skip
"""What is written out; `RIGHT` is not filled in yet."""

SOLVED: tuple[tuple[str, int], ...] = (("solved by code", LOOK + 3), ("solved by search", PERSON + 3))
"""Name and index of the tasks that the world's own oracles solve."""


def adapter_config() -> EnvConfig:
    """The settings with which a driver makes its environment: a small, quick world, images as by default."""
    return EnvConfig(
        source=WorldConfig(families=("closer-look", "portrait-fact", "spot-the-change"), difficulty=0.0),
        prompt="minimal",
        max_turns=MAX_TURNS,
        max_pixels=(16 * PATCH_FACTOR) ** 2,
        tool_max_pixels=(8 * PATCH_FACTOR) ** 2,
    )


@functools.cache
def adapter_scripts() -> tuple[Script, ...]:
    """The scripts with all turns written out; the first call lets the oracles play theirs."""
    env = DeepEyesEnv(adapter_config())
    try:
        literal = [_with_answer(script, env) for script in EPISODES]
        return (*literal, *(_spoken(name, index, env) for name, index in SOLVED))
    finally:
        env.close()


def _with_answer(script: Script, env: DeepEyesEnv) -> Script:
    right = answer("I know it.", env.tasks.task(script.index, script.split).answer.text)
    return replace(script, turns=tuple(right if turn is RIGHT else turn for turn in script.turns))


def _spoken(name: str, index: int, env: DeepEyesEnv) -> Script:
    """The turns that the oracle of a task takes."""
    env.reset(seed=0, options={"index": index, "split": "train"})
    oracle = oracle_for(env.episode.task)
    turn = next(oracle)
    while not any(env.step(turn)[2:4]):
        turn = oracle.send(env.episode.observations[-1])
    return Script(name, index, "train", 0, env.episode.turns)
