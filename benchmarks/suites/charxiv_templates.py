"""CharXiv's nineteen descriptive questions, in words of our own with the authors' conventions of the answer.

What is asked by which number, and when it does not apply: `DESCRIPTIVE_RESP_INST` of the authors'
`src/constants.py` (github.com/princeton-nlp/CharXiv), read in lmms-eval's `tasks/charxiv/constant.py`
(75571cf).
"""

from __future__ import annotations

_NONE = "Not Applicable"
_X = "If there is one at the top and one at the bottom, take the bottom one."
_Y = "If there is one at the left and one at the right, take the left one."
_TICK = "Leave out units and scales that stand apart from the tick."
_LEGEND = f"Count only what is relevant to this plot, also in a legend outside it. Without one: {_NONE}."
_BAR = f"Leave out a percent sign. Without a continuous legend (colour bar): {_NONE}."
_LINES = f"Grid lines, ticks and auxiliary lines do not count. If it is no line plot: {_NONE}."
_STEPS = f"If there are none, if they are no numbers, or if the difference changes: {_NONE}."

_QUESTIONS = {
    1: f"what is its title? Only a written title counts; without one, or with a letter alone: {_NONE}.",
    2: f"what is the label of the x-axis, also where it is shared? {_X} Without one: {_NONE}.",
    3: f"what is the label of the y-axis, also where it is shared? {_Y} Without one: {_NONE}.",
    4: f"what is the leftmost labelled tick on the x-axis? {_X} {_TICK}",
    5: f"what is the rightmost labelled tick on the x-axis? {_X} {_TICK}",
    6: f"what is the spatially lowest labelled tick on the y-axis? {_Y} {_TICK}",
    7: f"what is the spatially highest labelled tick on the y-axis? {_Y} {_TICK}",
    8: f"what is the difference between consecutive ticks on the x-axis? {_X} {_TICK} {_STEPS}",
    9: f"what is the difference between consecutive ticks on the y-axis? {_Y} {_TICK} {_STEPS}",
    10: f"how many lines are there? {_LINES}",
    11: f"do any lines intersect? Answer Yes or No. {_LINES}",
    12: f"how many discrete labels are there in the legend? {_LEGEND}",
    13: "what are the names of the labels in the legend? List them from top to bottom, then from left to "
    f"right, with commas. {_LEGEND}",
    14: f"what is the difference between the largest and the smallest tick of the continuous legend? {_BAR}",
    15: f"what is the largest tick of the continuous legend? {_BAR}",
    16: "what is the general trend of the data from left to right? Answer in a few words, such as "
    "`increases` or `increases then stabilizes`.",
    17: "what is the total number of explicitly labelled ticks across all axes, also shared ones?",
}
_WHOLE = {
    18: "What is the layout of the subplots? Answer as `n by m`, rows by columns; without subplots: 1 by 1.",
    19: "What is the number of subplots? Without subplots: 1.",
}
"""About the whole figure, wherever the other questions are about."""


def descriptive_question(template: int, place: str) -> str:
    """The question of a template.

    Args:
        template: Its number, from 1 to 19.
        place: What it is about: `the current plot`, `the subplot at row 1 and column 2`, ...

    Raises:
        KeyError: There is no such template.
    """
    return _WHOLE[template] if template in _WHOLE else f"For {place}, {_QUESTIONS[template]}"


def number_format(answer: str) -> str:
    """How precise a number is asked for, which the reference tells (`get_number_instruction`)."""
    decimals = len(answer.partition(".")[2])
    places = "place" if decimals == 1 else "places"
    return (
        f"Answer with a number of {decimals} decimal {places}." if decimals else "Answer with a whole number."
    )
