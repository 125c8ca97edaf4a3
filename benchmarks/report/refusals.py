"""Does the policy refuse what cannot be answered, and only that?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.result import Result
from benchmarks.statistics.estimate import Estimate, estimate
from deepeyes_env.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refusals on items of which some cannot be answered; draws whose infrastructure held.

    Attributes:
        refused: Number of refusals.
        unanswerable: Number of draws that should have been refused.
        precision: Of the refusals, those that were right.
        recall: Of the unanswerable, those that were refused.
        false_alarms: Of the answerable, those that were refused.
    """

    refused: int
    unanswerable: int
    precision: Estimate
    recall: Estimate
    false_alarms: Estimate


def refusals(results: Sequence[Result]) -> Refusals | None:
    """Of the draws of one suite in one mode; None where nothing is unanswerable and nothing was refused."""
    held = [one for one in results if one.outcome != Outcome.INFRA_FAILED]
    refused = [one for one in held if one.refused]
    unanswerable = [one for one in held if one.unanswerable]
    if not refused and not unanswerable:
        return None
    return Refusals(
        len(refused),
        len(unanswerable),
        _share([(one.unanswerable, one.cluster) for one in refused]),
        _share([(one.refused, one.cluster) for one in unanswerable]),
        _share([(one.refused, one.cluster) for one in held if not one.unanswerable]),
    )


def _share(hits: Sequence[tuple[bool, str]]) -> Estimate:
    return estimate([float(hit) for hit, _ in hits], [cluster for _, cluster in hits])
