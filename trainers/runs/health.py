"""Health rules: the known ways in which this training goes wrong, told while it happens.

Every rule is a pure function of the metrics of all steps so far, so a resumed run says what an uninterrupted
one would. Rules look at means over a window of steps and compare them with the run's own past; they inform
and never stop a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trainers.runs.metrics import Metrics

History = Sequence[Mapping[str, float]]
"""The metrics of every step so far, oldest first."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a rule speaks up.

    Figures of the paper (arXiv 2511.05271) are read off its plots (reference 5.6): figure 4 shows runs that
    collapse, figure 8 the healthy one.

    Attributes:
        window: Steps averaged. Figure 4's collapses take about 15 steps, so five tell in time and smooth a
            single odd batch.
        abandoned: Share of the run's highest tool calls per episode below which tools count as abandoned.
            Figure 4 ends at 0 of 0.8, figure 8 at 1.12 of 1.45 (0.77).
        calls_to_lose: Calls per episode that the run must once have had, or there was nothing to abandon.
        placeholders: Share of code cells that do nothing. Figure 4's bonus run ends near 1, and honest
            demonstrations hold none; a third is no accident.
        calls_to_fake: Code cells per episode below which their share of placeholders is a matter of chance.
        format_gain: Rise of the format reward that counts as one; it weighs 0.2 in the reward, so this alone
            earns 0.02.
        accuracy_loss: Fall of accuracy from its highest window that counts as one: three standard errors of
            a window of 5 steps of 16 prompts whose success rates differ by 0.3, the smallest run that we ship
            (3 * 0.3 / sqrt(5 * 16)).
        accuracy_floor: Accuracy at which nothing but the format can have been learned.
        collapsed_length: Share of the greatest response length. Figure 4: 0.28 and 0.42, figure 8: 0.64.
        collapsed_entropy: Share of the first window's entropy. Nearly three quarters of the entropy are spent
            in the first 200 updates, where runs improve most (arXiv 2505.22617); a tenth explores no more.
        truncation_gain: Rise of the share of truncated episodes above its lowest window. A truncated episode
            has no answer: so much reward is out of reach.
        failures: Share of episodes that the infrastructure ended. At 2 % every fourth group of 16 lacks a
            member (1 - 0.98^16 = 0.28).
        exhausted: Successive steps whose sampling used up its rounds.
    """

    window: int = 5
    abandoned: float = 0.25
    calls_to_lose: float = 0.2
    placeholders: float = 1 / 3
    calls_to_fake: float = 0.1
    format_gain: float = 0.1
    accuracy_loss: float = 0.1
    accuracy_floor: float = 0.02
    collapsed_length: float = 0.45
    collapsed_entropy: float = 0.1
    truncation_gain: float = 0.1
    failures: float = 0.02
    exhausted: int = 3


THRESHOLDS = Thresholds()
"""What training uses."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to go wrong.

    Attributes:
        name: Names it in `health/<name>`.
        look: Takes the history and the thresholds; gives the figures if something is wrong, else None.
        advice: What to try.
    """

    name: str
    look: Callable[[History, Thresholds], str | None]
    advice: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has to say.

    Attributes:
        rule: Its name.
        message: What is wrong, with figures, and what to try.
    """

    rule: str
    message: str


def diagnose(history: History, thresholds: Thresholds = THRESHOLDS) -> tuple[Finding, ...]:
    """What is wrong after the last step of `history`.

    Args:
        history: Metrics of every step so far; a rule whose metrics are missing in a step skips that step.
        thresholds: When to speak up.

    Returns:
        At most one finding per rule, in the order of `RULES`.
    """
    looked = ((rule, rule.look(history, thresholds)) for rule in RULES)
    return tuple(
        Finding(rule.name, f"{rule.name}: {figures}. Try: {rule.advice}")
        for rule, figures in looked
        if figures is not None
    )


def with_health(history: History, metrics: Metrics) -> tuple[Metrics, tuple[Finding, ...]]:
    """Judge a step.

    Args:
        history: Metrics of the steps before, as this function gave them.
        metrics: Metrics of the step.

    Returns:
        The step's metrics with `health/<rule>` for every rule, 1 where something is wrong; and the findings
        that were none at the step before.
    """
    found = diagnose([*history, metrics])
    names = {finding.rule for finding in found}
    flags = {f"health/{rule.name}": int(rule.name in names) for rule in RULES}
    before = history[-1] if history else {}
    return metrics | flags, tuple(one for one in found if not before.get(f"health/{one.rule}"))


def summary(history: History, before: int = 0) -> str:
    """Which rules spoke up in a run and when, for its end.

    Args:
        history: Metrics of successive steps.
        before: Steps before the first of them.
    """
    spans = {rule.name: _spans(history, f"health/{rule.name}", before) for rule in RULES}
    told = [f"{name} at step {', '.join(steps)}" for name, steps in spans.items() if steps]
    return "health: " + ("; ".join(told) or f"nothing to report in {len(history)} steps")


def _spans(history: History, flag: str, before: int) -> list[str]:
    """The runs of successive steps at which a flag is up, as `4` or `4-9`."""
    up = [number for number, row in enumerate(history, start=before + 1) if row.get(flag)]
    starts = [n for n in up if n - 1 not in up]
    ends = [n for n in up if n + 1 not in up]
    return [str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True)]


# --- The rules ---------------------------------------------------------------------------------------------


def _tool_abandonment(history: History, at: Thresholds) -> str | None:
    calls = _windows([_calls(row) for row in history if "code_calls" in row], at.window)
    if not calls or max(calls) < at.calls_to_lose or calls[-1] > at.abandoned * max(calls):
        return None
    return f"{calls[-1]:.2f} tool calls per episode, {max(calls):.2f} at their height"


def _placeholder_code(history: History, at: Thresholds) -> str | None:
    rates, cells = _means(history, "placeholder_rate", at), _means(history, "code_calls", at)
    if not rates or rates[-1] < at.placeholders or cells[-1] < at.calls_to_fake:
        return None
    return f"{rates[-1]:.0%} of the code cells do nothing ({cells[-1]:.2f} cells per episode)"


def _format_hacking(history: History, at: Thresholds) -> str | None:
    accuracy, form = _means(history, "accuracy", at), _means(history, "format", at)
    if len(accuracy) < 2:
        return None
    best = max(range(len(accuracy)), key=accuracy.__getitem__)
    lost = accuracy[-1] <= accuracy[best] - at.accuracy_loss and form[-1] >= form[best] + at.format_gain
    floor = max(accuracy) <= at.accuracy_floor and form[-1] >= min(form) + at.format_gain
    if lost:
        return (
            f"format {form[best]:.2f} -> {form[-1]:.2f}, accuracy {accuracy[best]:.2f} -> {accuracy[-1]:.2f}"
        )
    if floor:
        return f"format {min(form):.2f} -> {form[-1]:.2f}, but accuracy stays at {accuracy[-1]:.2f}"
    return None


def _length_collapse(history: History, at: Thresholds) -> str | None:
    lengths = _means(history, "response_tokens", at)
    if not lengths or lengths[-1] > at.collapsed_length * max(lengths):
        return None
    return f"{lengths[-1]:.0f} sampled tokens per episode, {max(lengths):.0f} at their height"


def _entropy_collapse(history: History, at: Thresholds) -> str | None:
    entropies = _means(history, "entropy", at)
    if not entropies or entropies[-1] > at.collapsed_entropy * entropies[0]:
        return None
    return f"entropy {entropies[-1]:.3g} nats per token, {entropies[0]:.3g} at the beginning"


def _growing_truncation(history: History, at: Thresholds) -> str | None:
    truncated = _means(history, "truncated", at)
    if not truncated or truncated[-1] < min(truncated) + at.truncation_gain:
        return None
    return f"{truncated[-1]:.0%} of the episodes hit a limit, {min(truncated):.0%} at the lowest"


def _infra_failures(history: History, at: Thresholds) -> str | None:
    rows = [row for row in history if "infra_failures" in row][-at.window :]
    episodes = sum(row["episodes"] for row in rows)
    failed = sum(row["infra_failures"] for row in rows)
    if not episodes or failed < at.failures * episodes:
        return None
    return f"the infrastructure ended {failed:.0f} of {episodes:.0f} episodes ({failed / episodes:.1%})"


def _no_variance(history: History, at: Thresholds) -> str | None:
    rows = [row for row in history if "sampling_exhausted" in row][-at.exhausted :]
    if len(rows) < at.exhausted or not all(row["sampling_exhausted"] for row in rows):
        return None
    drawn, trained, right, wrong = (
        sum(row[f"groups_{fate}"] for row in rows) for fate in ("drawn", "trained", "all_right", "all_wrong")
    )
    return (
        f"{at.exhausted} steps in a row used up their rounds of sampling: of {drawn:.0f} groups "
        f"{trained:.0f} train, {right:.0f} are all right, {wrong:.0f} all wrong"
    )


def _skipped_updates(history: History, at: Thresholds) -> str | None:
    rows = [row for row in history if "updates_skipped" in row][-at.window :]
    skipped = sum(row["updates_skipped"] for row in rows)
    if not skipped:
        return None
    made = sum(row["updates"] for row in rows)
    return f"{skipped:.0f} of {skipped + made:.0f} updates were skipped: their gradient was not finite"


RULES = (
    Rule(
        "tool_abandonment",
        _tool_abandonment,
        "a cold start with working tool calls before RL, tasks that cannot be solved without tools, a "
        "smaller learning rate; compare with tools off to see whether the tools ever paid",
    ),
    Rule(
        "placeholder_code",
        _placeholder_code,
        "no bonus for a call as such, or one for right answers only; tasks whose answer needs the code",
    ),
    Rule(
        "format_hacking",
        _format_hacking,
        "a smaller weight of the format reward, or one for right answers only; easier tasks or a cold start, "
        "so that accuracy can be learned at all",
    ),
    Rule(
        "length_collapse",
        _length_collapse,
        "a cold start with long reasoning, harder tasks, no overlong shaping; read the episodes for answers "
        "without a thought",
    ),
    Rule(
        "entropy_collapse",
        _entropy_collapse,
        "a larger clip_high, a smaller learning rate, fewer minibatches or inner updates, harder tasks",
    ),
    Rule(
        "growing_truncation",
        _growing_truncation,
        "overlong shaping (overlong_length), more tokens or turns; read truncated episodes for loops",
    ),
    Rule(
        "infra_failures",
        _infra_failures,
        "the sandbox's and the search engine's logs, fewer episodes at once (num_envs), more infra_retries; "
        "failed episodes are masked, but their groups shrink",
    ),
    Rule(
        "no_variance",
        _no_variance,
        "harder tasks if the groups are all right, easier ones or a cold start if they are all wrong; more "
        "max_rounds or a larger group_size",
    ),
    Rule(
        "skipped_updates",
        _skipped_updates,
        "a smaller learning rate, float32 in place of bfloat16, dual_clip; look for odd episodes in the step",
    ),
)
"""All rules."""


def _calls(row: Mapping[str, float]) -> float:
    return row["code_calls"] + row["search_calls"] + row["image_search_calls"]


def _means(history: History, key: str, at: Thresholds) -> list[float]:
    return _windows([row[key] for row in history if key in row], at.window)


def _windows(values: Sequence[float], width: int) -> list[float]:
    """Means over every `width` successive values; none while there are fewer."""
    return [sum(values[end - width : end]) / width for end in range(width, len(values) + 1)]
