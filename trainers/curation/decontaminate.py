"""Tasks and texts that a benchmark holds too.

Questions are compared as GPT-3 did (words without case and punctuation) in Cosmopedia's two steps, which
follow phi-1: a run of ten words in common makes a candidate, and the share of the benchmark's question that
is found in it, in order, decides. Questions shorter than that are compared as a whole. N-grams do not find
a question that was said in other words (arXiv 2311.04850); its picture may still give it away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from trainers.curation.benchmarks import Sample
from trainers.curation.pictures import Look, NearShapes
from trainers.curation.recipe import Decontamination, Rule
from trainers.curation.words import Words, ngrams, overlap, words


@dataclass(frozen=True, slots=True)
class Contamination:
    """What a task has in common with a benchmark.

    Attributes:
        rule: By what it was found.
        benchmark: The benchmark.
        place: Where in it.
        detail: What was found.
    """

    rule: Rule
    benchmark: str
    place: str
    detail: str


class Decontaminator:
    """Compares tasks with benchmarks, one at a time: the verdict on a task depends on no other task.

    Args:
        samples: What the benchmarks hold.
        config: What counts.
    """

    def __init__(self, samples: Sequence[Sample], config: Decontamination) -> None:
        self._samples = samples
        self._config = config
        pictures = [(look, sample) for sample in samples for look in sample.looks]
        self._pixels = {look.pixels: sample for look, sample in reversed(pictures)}
        self._pictured = [sample for _, sample in pictures]
        self._shapes = NearShapes([look.shape for look, _ in pictures], config.near_bits or 0)
        self._asked = [(words(s.question), s) for s in samples if s.question is not None]
        self._whole = dict(reversed(self._asked))
        self._runs: defaultdict[Words, list[int]] = defaultdict(list)
        for place, (asked, _) in enumerate(self._asked):
            for run in dict.fromkeys(ngrams(asked, config.words)):
                self._runs[run].append(place)

    def check(self, question: str, looks: Sequence[Look] = ()) -> Contamination | None:
        """What a task has in common with the benchmarks, or None.

        Args:
            question: Its question.
            looks: Its pictures.
        """
        checks = {
            "image": lambda: self._by_image(looks),
            "question": lambda: self._by_question(words(question)),
            "overlap": lambda: self._by_overlap(words(question)),
        }
        return next(
            (found for rule, check in checks.items() if rule in self._config.rules and (found := check())),
            None,
        )

    def _by_image(self, looks: Sequence[Look]) -> Contamination | None:
        for look in looks:
            if (sample := self._pixels.get(look.pixels)) is not None:
                return _found("image", sample, "the same pixels")
            if self._config.near_bits is None:
                continue
            for place in self._shapes.near(look.shape):
                return _found("image", self._pictured[place], "looks the same")
        return None

    def _by_question(self, asked: Words) -> Contamination | None:
        sample = self._whole.get(asked) if asked else None
        return None if sample is None else _found("question", sample, f"“{sample.question}”")

    def _by_overlap(self, asked: Words) -> Contamination | None:
        candidates = {place for run in ngrams(asked, self._config.words) for place in self._runs.get(run, ())}
        for place in sorted(candidates):
            theirs, sample = self._asked[place]
            if (share := overlap(theirs, asked)) > self._config.overlap:
                return _found("overlap", sample, f"{share:.0%} of “{sample.question}”")
        return None


def _found(rule: Rule, sample: Sample, detail: str) -> Contamination:
    return Contamination(rule, sample.benchmark, sample.place, detail)
