"""System and user prompts, variants as data.

`full` and `code_only` carry every rule of the two upstream prompts (reference 1.2, 1.3) in this project's own
words, with upstream's slips mended: a missing word, trailing commas in the signatures, a doubled `<think>`.
`search_only` carries their rules of searching and names no Python; upstream has no such prompt.
`direct` asks for an answer without tools, under the system prompt of Qwen's own chat template.
`minimal` states the three shapes of a turn and nothing else, for policies of a few hundred tokens of context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from deepeyes_env.config import EnvConfig
from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import IMAGE_MARKER, neutralise


@dataclass(frozen=True, slots=True)
class ImageSearchWords:
    """What a prompt says of image search.

    Attributes:
        looked_up: What an image search looks up.
        description: What the function does.
        parameters: Its parameters as a JSON schema.
        example: A call with arguments, or nothing.
        use: How often it may be used.
    """

    looked_up: str
    description: str
    parameters: str
    example: str
    use: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One variant.

    Attributes:
        system: The system prompt; `{seconds}`, `{hits}` and the names of an `ImageSearchWords` are filled
            from the configuration.
        instructions: What follows the question in the first user message.
        sizes: How the sizes of the question's images are stated where they differ from what is observed
            (`EnvConfig.sandbox_pixels`); empty where no tool measures in them.
        image_search: What is said of image search, by `EnvConfig.image_search`; empty where it is not named.
    """

    system: str
    instructions: str
    sizes: str = "Sizes in pixels (width x height) in Python: {sizes}."
    image_search: Mapping[str, ImageSearchWords] = field(default_factory=dict)


_AGENT = """\
You are an agent. Keep going until the user's query is completely resolved; end your turn only when you \
are sure \
that the problem is solved.
"""

_CODER = """\
Solve the problem step by step. Whenever the answer cannot be determined directly, you can write Python \
code in a \
Jupyter notebook to process the images and extract more information from them. What the code writes to \
stdout and \
stderr, and the images that it shows with `plt.show()`, are returned to you.

You MUST use the python tool to analyse or transform the images whenever that could improve your \
understanding: \
zoom in, rotate, raise the contrast, compute statistics, isolate features, and so on.
"""

_SEARCHER = """\
If you find that you lack sufficient knowledge, you MUST search the Internet thoroughly, and not give up \
until you \
have found what you need. An image search looks up {looked_up}, as Google Lens does; a text search \
looks up \
a query, as Google does.
"""

_PLANNER = """\
You MUST plan extensively before each call and reflect extensively on the outcome of the calls before it. \
Do not get \
through the task by a chain of calls alone: that would impair your ability to solve the problem and to \
think with \
insight.
"""

_COMBINER = """\
You can combine Python code and search flexibly over several rounds, but use only one kind of tool in each \
round.
"""

_NAMED = """\
The i-th image provided is called `image_i`; the first one is `image_1`.

## Tools
"""

_PYTHON = """\
The i-th image provided is already loaded in the global variable `image_i`, opened with \
`PIL.Image.open()`; the first \
one is `image_1`.

## Tools

### python
Write the code between `<code>` and `</code>`, for example:
<code>
```python
import matplotlib.pyplot as plt
plt.imshow(image_1.crop((100, 100, 300, 300)))
plt.show()
```
</code>

Notes on python:
1. You get the output of the code, or a message that it timed out after {seconds} seconds.
2. As in a Jupyter notebook, `plt.show()` shows you a figure.
3. All code runs in the same kernel: functions and variables persist from one call to the next.
4. The code must come to an end; avoid infinite loops.
5. Writing files to disk is not allowed.
"""

_SEARCH = """\

### search
These are the signatures of the search functions:
<tools>
{{"name": "image_search", "description": "{description}", "parameters": {parameters}}}
{{"name": "search", "description": "Search the Internet with a text query; returns the top {hits} results.", \
"parameters": {{"type": "object", "properties": {{"query": {{"type": "string", "description": "The \
query."}}}}, \
"required": ["query"]}}}}
</tools>

Write a call as a JSON object between `<tool_call>` and `</tool_call>`, for example:
<tool_call>
{{"name": "image_search"}}
</tool_call>
or
{example}<tool_call>
{{"name": "search", "arguments": {{"query": "opening year of the Old Harbour Lighthouse"}}}}
</tool_call>

Notes on search:
1. Search in as many rounds as it takes until you are satisfied with the information.
2. Cross-check and validate what you have found before you give the final answer.
3. Make sure that sources are current, relevant and credible.
4. Make only one search per round{use}.
"""

_ORIGINAL_WORDS = ImageSearchWords(
    looked_up="the original image",
    description="Search the Internet with the original image; returns the top {hits} matching images and "
    "their titles. Use it only once.",
    parameters="null",
    example="",
    use=", and use image search only once",
)


def _crop_words(image: str, pixels: str) -> ImageSearchWords:
    """Words for image search with a part of an image: what names one, and whose pixels the part is in."""
    region = (
        '{"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4, '
        f'"description": "A part of the image to search with: left, top, right, bottom in {pixels}; '
        'all of it if left out."}'
    )
    variable = f'{{"type": "string", "description": "{image}; the original image if left out."}}'
    return ImageSearchWords(
        looked_up="the original image or a part of it",
        description="Search the Internet with an image, by default the original one; returns the top {hits} "
        "matching images and their titles.",
        parameters=f'{{"type": "object", "properties": {{"image": {variable}, "region": {region}}}}}',
        example='<tool_call>\n{"name": "image_search", "arguments": {"image": "image_1", "region": '
        "[100, 100, 300, 300]}}\n</tool_call>\nor\n",
        use="",
    )


IMAGE_SEARCH_WORDS = {
    "crop": _crop_words(
        "The Python variable that holds the image, such as image_1 or one that your code has made",
        "its pixels in Python",
    ),
    "original": _ORIGINAL_WORDS,
}
"""What is said of image search beside Python, by `EnvConfig.image_search`."""

SEARCH_ONLY_WORDS = {
    "crop": _crop_words("The name of one of the images, such as image_1", "its pixels"),
    "original": _ORIGINAL_WORDS,
}
"""The same where there is no Python."""

_ANSWERING = """\
Put your final answer between <answer> and </answer>. Reason step by step, and use Python code to process \
the image \
if necessary."""

_SEARCHING = "You may search the Internet."

_CODE_SHAPE = "<think> </think> <code> </code> (if code is needed)"
_CALL_SHAPE = "<think> </think> <tool_call> </tool_call> (if a search is needed)"
_ANSWER_SHAPE = "<think> </think> <answer> </answer>"

PROMPTS: dict[str, Prompt] = {
    "full": Prompt(
        system="\n".join((_AGENT, _CODER, _SEARCHER, _PLANNER, _COMBINER, _PYTHON)) + _SEARCH,
        instructions=f"{_ANSWERING} {_SEARCHING}\n"
        f"Format strictly as {_CODE_SHAPE} or {_CALL_SHAPE} or {_ANSWER_SHAPE}.",
        image_search=IMAGE_SEARCH_WORDS,
    ),
    "code_only": Prompt(
        system="\n".join((_AGENT, _CODER, _PLANNER, _PYTHON)),
        instructions=f"{_ANSWERING}\nFormat strictly as {_CODE_SHAPE} or {_ANSWER_SHAPE}.",
    ),
    "search_only": Prompt(
        system="\n".join((_AGENT, _SEARCHER, _PLANNER, _NAMED)) + _SEARCH,
        instructions="Put your final answer between <answer> and </answer>. Reason step by step. "
        f"{_SEARCHING}\nFormat strictly as {_CALL_SHAPE} or {_ANSWER_SHAPE}.",
        sizes="Sizes in pixels (width x height): {sizes}.",
        image_search=SEARCH_ONLY_WORDS,
    ),
    "direct": Prompt(
        system="You are a helpful assistant.",
        instructions="Reason step by step, then put your final answer between <answer> and </answer>.\n"
        f"Format strictly as {_ANSWER_SHAPE}.",
        sizes="",
    ),
    "minimal": Prompt(
        system="Answer. Turn: <think></think> then <code>```python\n```</code>, <tool_call></tool_call> or "
        "<answer></answer>.",
        instructions="",
    ),
}
"""The prompt variants by name (`EnvConfig.prompt`)."""


def system_prompt(config: EnvConfig) -> str:
    """The system prompt of the configured variant."""
    prompt = PROMPTS[config.prompt]
    values: dict[str, object] = {"seconds": config.limits.cell_seconds, "hits": config.search_hits}
    if prompt.image_search:
        words = prompt.image_search[config.image_search]
        values |= asdict(words) | {"description": words.description.format(hits=config.search_hits)}
    return prompt.system.format(**values).strip()


def user_prompt(question: str, originals: Sequence[EncodedImage], config: EnvConfig) -> str:
    """The first user message: markers, question, sizes where they differ, instructions (reference 1.3).

    Args:
        question: The task's question; protocol tags in it are neutralised.
        originals: The task's images as the task has them.
        config: Says the variant and whose pixels the sandbox holds.

    Returns:
        Text with one `<image>` marker per image.
    """
    markers = IMAGE_MARKER * len(originals) + "\n" if originals else ""
    parts = [neutralise(question).strip()]
    prompt = PROMPTS[config.prompt]
    if config.sandbox_pixels == "original" and prompt.sizes:
        sizes = ", ".join(
            f"image_{i} is {image.width}x{image.height}" for i, image in enumerate(originals, 1)
        )
        parts.append(prompt.sizes.format(sizes=sizes))
    if prompt.instructions:
        parts.append(prompt.instructions)
    return markers + "\n\n".join(parts)
