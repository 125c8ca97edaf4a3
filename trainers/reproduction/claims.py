"""The claims and how they are judged: pure functions of records, written before any result was looked at.

Every verdict states its rule and its numbers. Thresholds are the same for all claims; nothing was moved to
make one come true. With fewer seeds than asked for the rules are the same and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trainers.reproduction.figures import (
    ALL,
    Comparison,
    Results,
    at_end,
    by_seed,
    called,
    compare,
    gain_and_harm,
    over_seeds,
)
from trainers.reproduction.tasks import CARD_SUM, FAMILIES, NEEDS_A_TOOL, STONE_DIGIT

SIGNIFICANT = 0.01
"""Level of the paired tests, as in the quickstart's report."""

GONE = 0.1
"""Calls per episode up to which tool use counts as given up (figure 4: about 0)."""

ONE_CALL = 0.8
"""Calls per episode from which there is one in most episodes (figure 4 with a bonus: exactly 1.0)."""

MOSTLY = 0.5
"""Share of all calls above which they are mostly placeholders."""

TOOL_FAMILIES = tuple(family for family in ALL if family in NEEDS_A_TOOL)


class Status(StrEnum):
    """How a claim fares."""

    REPRODUCES = "reproduces"
    FAILS = "does not reproduce"
    UNDECIDED = "undecided"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judged claim.

    Attributes:
        claim: Number of the claim.
        says: What is claimed.
        rule: When it counts as reproduced.
        status: The outcome.
        numbers: What it rests on.
    """

    claim: int
    says: str
    rule: str
    status: Status
    numbers: tuple[str, ...] = ()


def judge(results: Results, claims: Sequence[int] = (1, 2, 3, 4, 5)) -> list[Verdict]:
    """Judge the chosen claims; one whose arms have no common seed is `not run`."""
    return [rule(results) for claim in claims for rule in RULES[claim]]


def _gives_up(arm: str, who: str) -> Callable[[Results], Verdict]:
    def rule(results: Results) -> Verdict:
        says = f"Direct RL without cold start does not learn tool use: {who}"
        how = f"at most {GONE} calls per episode over the last steps, in every seed"
        if not results.get(arm):
            return Verdict(1, says, how, Status.NOT_RUN)
        calls = [at_end(record, "calls") for _, record in sorted(results[arm].items())]
        solved = over_seeds(by_seed(results, arm, TOOL_FAMILIES).values())
        numbers = (
            f"calls per episode at the end: {_listed(calls)}",
            f"accuracy afterwards on tasks that need a tool: {solved}",
        )
        return Verdict(1, says, how, _if(all(each <= GONE for each in calls)), numbers)

    return rule


def _placeholders(arm: str, bonus: str) -> Callable[[Results], Verdict]:
    def rule(results: Results) -> Verdict:
        says = f"With a tool-use bonus direct RL learns placeholder code: {bonus}"
        how = (
            f"at least {ONE_CALL} calls per episode over the last steps, more than {MOSTLY:.0%} of them "
            "placeholders, in every seed"
        )
        if not results.get(arm):
            return Verdict(2, says, how, Status.NOT_RUN)
        records = [record for _, record in sorted(results[arm].items())]
        calls = [at_end(record, "calls") for record in records]
        empty = [at_end(record, "placeholders") for record in records]
        first = [record.curve[0]["placeholders"] for record in records]
        holds = all(a >= ONE_CALL and b > MOSTLY for a, b in zip(calls, empty, strict=True))
        numbers = (
            f"calls per episode at the end: {_listed(calls)}",
            f"placeholders per call, in the first step: {_listed(first)}; at the end: {_listed(empty)}",
        )
        return Verdict(2, says, how, _if(holds), numbers)

    return rule


def _better(
    claim: int, says: str, first: str, second: str, families: Sequence[str] = ALL
) -> Callable[[Results], Verdict]:
    """A rule that one arm is more accurate than another."""

    def rule(results: Results) -> Verdict:
        where = "all tasks" if tuple(families) == ALL else ", ".join(families)
        how = (
            f"sampled accuracy of `{first}` above `{second}` on {where} in every seed, and over all seeds "
            f"significant at {SIGNIFICANT} (exact McNemar test)"
        )
        seeds = _common(results, first, second)
        if not seeds:
            return Verdict(claim, says, how, Status.NOT_RUN)
        found = compare(results, first, second, families)
        means = " against ".join(
            str(over_seeds(by_seed(results, arm, families)[seed] for seed in seeds))
            for arm in (first, second)
        )
        return Verdict(claim, says, how, _direction(found), (f"accuracy {means}", str(found)))

    return rule


def _selective(results: Results) -> Verdict:
    says = "After RL tool use is selective: used where needed, less elsewhere"
    how = (
        "from `sft` to `rl` the share of episodes with a call does not fall on tasks that need a tool and "
        "falls on at-a-glance, in every seed"
    )
    seeds = _common(results, "sft", "rl")
    if not seeds:
        return Verdict(4, says, how, Status.NOT_RUN)
    shares = {
        (arm, kind): [by_seed(results, arm, families, called)[seed] for seed in seeds]
        for arm in ("sft", "rl")
        for kind, families in (("needed", TOOL_FAMILIES), ("not", ("at-a-glance",)))
    }
    kept = [b >= a for a, b in zip(shares["sft", "needed"], shares["rl", "needed"], strict=True)]
    less = [b < a for a, b in zip(shares["sft", "not"], shares["rl", "not"], strict=True)]
    numbers = tuple(
        f"episodes with a call, {kind}: {_listed(shares['sft', key])} after SFT, "
        f"{_listed(shares['rl', key])} after RL"
        for key, kind in (("needed", "where a tool is needed"), ("not", "at-a-glance"))
    )
    return Verdict(4, says, how, _if(all(kept) and all(less)), numbers)


def _keeps_entropy(results: Results) -> Verdict:
    says = "A decoupled clip (0.20 / 0.30) keeps more entropy than a symmetric one (0.20 / 0.20)"
    how = "entropy per token over the last steps higher in every seed"
    seeds = _common(results, "rl", "rl-symmetric")
    if not seeds:
        return Verdict(5, says, how, Status.NOT_RUN)
    ends = [
        (at_end(results["rl"][seed], "entropy"), at_end(results["rl-symmetric"][seed], "entropy"))
        for seed in seeds
    ]
    numbers = (f"entropy: {_listed([a for a, _ in ends])} against {_listed([b for _, b in ends])} nats",)
    return Verdict(5, says, how, _if(all(a > b for a, b in ends)), numbers)


def _helps(results: Results) -> Verdict:
    says = "Tools help more tasks than they harm, and RL does not raise the harm (tools-off control)"
    how = (
        "greedy answers with and without tools: after `rl` more tasks solved only with them than only "
        "without, and the latter no more than after `sft`, in every seed"
    )
    seeds = _common(results, "sft", "rl")
    if not seeds:
        return Verdict(5, says, how, Status.NOT_RUN)
    before = [gain_and_harm(results["sft"][seed]) for seed in seeds]
    after = [gain_and_harm(results["rl"][seed]) for seed in seeds]
    holds = all(gain > harm and harm <= was for (gain, harm), (_, was) in zip(after, before, strict=True))
    numbers = tuple(
        f"{name}: gain {_listed([gain for gain, _ in found])}, harm {_listed([harm for _, harm in found])}"
        for name, found in (("after SFT", before), ("after RL", after))
    )
    return Verdict(5, says, how, _if(holds), numbers)


def _forgets_search(results: Results) -> Verdict:
    says = "RL on data without search lowers search below SFT (Table 6: 56.8 to 52.6, 53.7, 55.0 on MMSearch)"
    how = "mean accuracy of the three RL arms without search data below `sft` on stone-digit, in every seed"
    without = ("rl-perception", "rl-reasoning", "rl-perception-reasoning")
    seeds = _common(results, "sft", *without)
    if not seeds:
        return Verdict(3, says, how, Status.NOT_RUN)
    sft = [by_seed(results, "sft", (STONE_DIGIT,))[seed] for seed in seeds]
    means = [
        sum(by_seed(results, arm, (STONE_DIGIT,))[seed] for arm in without) / len(without) for seed in seeds
    ]
    numbers = (f"accuracy: {_listed(means)} against {_listed(sft)} after SFT",)
    return Verdict(3, says, how, _if(all(a < b for a, b in zip(means, sft, strict=True))), numbers)


RULES: dict[int, tuple[Callable[[Results], Verdict], ...]] = {
    1: (
        _gives_up("direct", "a base that has never written code"),
        _gives_up("direct-clumsy", "a base that writes code, 2 % of it right"),
        _gives_up("direct-able", "a base that writes code, 25 % of it right"),
    ),
    2: (
        _placeholders("bonus-clumsy", "for any call"),
        _placeholders("bonus-v1-clumsy", "DeepEyes v1's, for a picture and a right answer"),
    ),
    3: (
        _better(3, "SFT is better than the base", "sft", "base"),
        _better(3, "RL after SFT is better than SFT", "rl", "sft"),
        _better(
            3,
            "RL after SFT is better than RL without, also from a base that writes code (25 % right)",
            "rl",
            "direct-able",
            TOOL_FAMILIES,
        ),
        _better(
            3,
            "Cold-start data for perception are better for it than data for reasoning (Table 5)",
            "sft-perception",
            "sft-reasoning",
            FAMILIES["perception"],
        ),
        _better(
            3,
            "Cold-start data for reasoning are better for it than data for perception (Table 5)",
            "sft-reasoning",
            "sft-perception",
            (CARD_SUM,),
        ),
        _better(
            3,
            "RL on perception lifts perception (Table 6)",
            "rl-perception",
            "sft",
            FAMILIES["perception"],
        ),
        _better(3, "RL on reasoning lifts reasoning (Table 6)", "rl-reasoning", "sft", (CARD_SUM,)),
        _better(
            3,
            "Search data in RL are what lifts search (Table 6)",
            "rl",
            "rl-perception-reasoning",
            (STONE_DIGIT,),
        ),
        _forgets_search,
    ),
    4: (_selective,),
    5: (
        _better(
            5, "Filtering groups on accuracy is better than on the shaped reward", "rl", "rl-shaped-filter"
        ),
        _better(5, "Masking infrastructure failures is better than scoring them 0", "rl-masked", "rl-blamed"),
        _better(5, "A decoupled clip is better than a symmetric one", "rl", "rl-symmetric"),
        _keeps_entropy,
        _helps,
    ),
}
"""The rules of every claim, in the order of the page."""


def _direction(found: Comparison) -> Status:
    if all(each > 0 for each in found.differences) and found.p_value < SIGNIFICANT:
        return Status.REPRODUCES
    return Status.UNDECIDED if found.gained > found.lost else Status.FAILS


def _if(holds: bool) -> Status:
    return Status.REPRODUCES if holds else Status.FAILS


def _common(results: Results, *arms: str) -> list[int]:
    """The seeds in which all of some arms were run."""
    return sorted(set.intersection(*(set(results.get(arm, {})) for arm in arms)))


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
