"""Does the judge agree with the rules, where both were asked?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from statsmodels.stats.inter_rater import cohens_kappa

from benchmarks.result import Result
from benchmarks.statistics.estimate import Estimate, estimate


@dataclass(frozen=True, slots=True)
class Agreement:
    """Draws that rules decided and the judge was asked about too.

    Attributes:
        both_right: Right by both.
        only_rules: Right by the rules alone.
        only_judge: Right by the judge alone.
        both_wrong: Wrong by both.
        agreement: Share with the same verdict.
        kappa: Cohen's; None where one of them always says the same, so that chance alone would agree.
        decided: Rule that decided -> number of draws, `judge` among them; of all draws with a verdict.
    """

    both_right: int
    only_rules: int
    only_judge: int
    both_wrong: int
    agreement: Estimate
    kappa: float | None
    decided: dict[str, int]


def agreement(results: Sequence[Result]) -> Agreement:
    """Compare the judge with the rules on the draws of one suite in one mode."""
    asked = [
        one for one in results if one.judged is not None and one.correct is not None and one.rule != "judge"
    ]
    table = [
        [sum(one.correct is rules and one.judged is judge for one in asked) for judge in (True, False)]
        for rules in (True, False)
    ]
    (both, rules_only), (judge_only, neither) = table
    varied = 0 < both + rules_only < len(asked) and 0 < both + judge_only < len(asked)
    rules = sorted({one.rule for one in results if one.correct is not None})
    return Agreement(
        both,
        rules_only,
        judge_only,
        neither,
        estimate([float(one.correct is one.judged) for one in asked], [one.cluster for one in asked]),
        float(cohens_kappa(table, return_results=False)) if varied else None,
        {rule: sum(one.rule == rule and one.correct is not None for one in results) for rule in rules},
    )
