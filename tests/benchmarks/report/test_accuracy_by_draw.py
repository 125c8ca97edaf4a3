from dataclasses import replace

from evaluations import result, write_run

from benchmarks.protocol.official import official_figures
from benchmarks.protocol.plan import Plan
from benchmarks.report.accuracy import accuracy, ours
from benchmarks.report.tool_effect import tool_effects
from benchmarks.run_folder import RESULTS, read_run
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.task import Answer, Task

ORDER = {"A": "A", "B": "B"}


class TwoItems:
    """One free question and one with four options."""

    def __init__(self):
        card = Card("s", "S", (Release("", "test"),), "CC0", 2, "accuracy", "none")
        self.suite = Suite(card, lambda row: None, lambda item, answer: None, self._mean)

    def __len__(self):
        return 2

    def item(self, index):
        task = Task(f"s/{index}", "?", (), Answer("A"))
        return Item(task, "", task.id)

    def _mean(self, marked):
        assert len(marked) == 2, "a suite sees each item once"
        return {"accuracy": sum(one.score for one in marked) / len(marked)}


def in_all_orders():
    free = [result("s/0")]
    return free + [result("s/1", sample=n, draw=0, correct=False, option_order=ORDER) for n in range(4)]


def test_orders_of_options_are_no_repetition():
    turned = {"A": "B", "B": "A"}
    orders = [
        result("s/1", sample=n, draw=0, correct=n == 0, option_order=order)
        for n, order in enumerate((ORDER, turned))
    ]
    assert accuracy(orders).repeats is None
    again = [result("s/1", sample=n, correct=n == 0, option_order=ORDER) for n in range(2)]
    assert accuracy(again).repeats is not None


def test_an_items_orders_of_options_count_as_one_draw():
    """By draws it would be 20 %."""
    found = ours(in_all_orders())
    assert (found.value, found.n) == (0.5, 2)
    assert accuracy(in_all_orders()).official.value == 0.5


def test_samples_of_an_item_with_options_count_as_those_of_one_without():
    """Shuffled once, every sample is asked in the same order: half of the draws are right."""
    free = [result("s/0", sample=n) for n in range(4)]
    choice = [result("s/1", sample=n, correct=False, option_order=ORDER) for n in range(4)]
    found = accuracy([*free, *choice])
    assert (found.ours.value, found.ours.n) == (0.5, 8)
    assert found.repeats.pass_1.value == 0.5


def test_tool_effects_weigh_and_count_items_alike():
    """Without tools all is right, with them only the free question: one item of two, in four orders."""
    without = [replace(one, mode="off", correct=True) for one in in_all_orders()]
    ((effect,),) = tool_effects([*in_all_orders(), *without]).values()
    assert (effect.gain, effect.harm, effect.both_right) == (0, 1, 1)
    assert (effect.net.pairs, effect.net.difference) == (2, -0.5)
    assert (effect.solved_without.count, effect.solved_without.of) == (1, 1)


def test_the_official_figures_see_each_item_once():
    """Order by order the first would be 50 % and the three others, without the free question, 0 %."""
    figures = official_figures([TwoItems()], Plan(("all",), option_order="averaged"), in_all_orders())
    assert figures == {"s": {"all": {"accuracy": 0.5}}}


def test_an_unfinished_line_is_of_a_run_that_goes_on(tmp_path):
    run = write_run(tmp_path, [result("vstar/0"), result("vstar/1")])
    whole = (run / RESULTS).read_bytes()
    (run / RESULTS).write_bytes(whole[:-40])
    assert [one.item for one in read_run(run).results] == ["vstar/0"]
