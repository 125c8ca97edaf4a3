"""Any judge is tested by answers with known verdicts; what fools judges never reaches one."""

import re
import sys

import pytest
from judge_server import (
    JudgeServer,
    Reply,
    always_yes,
    broken,
    likes_candidates,
    obeys_the_answer,
    silent,
    talkative,
    well_behaved,
)

from benchmarks.scoring import judge_check
from benchmarks.scoring.calibration import RIGHT, WRONG, cases
from deepeyes_env.errors import ConfigError
from deepeyes_env.rewards.accuracy import grade_by_rule
from deepeyes_env.rewards.boilerplate import not_for_judges
from deepeyes_env.task import Answer


def check(reply: Reply) -> tuple[int, JudgeServer]:
    with JudgeServer(reply) as server:
        return judge_check.main(["--judge", server.url, "--judge-model", "rules"]), server


def test_a_judge_that_compares_is_usable(capsys: pytest.CaptureFixture[str]) -> None:
    status, server = check(well_behaved)
    shown = capsys.readouterr().out
    assert status == 0, shown
    assert shown.rstrip().endswith("usable")
    assert "not usable" not in shown
    assert not any(not_for_judges(answer) for _, _, answer in server.asked)


@pytest.mark.parametrize("reply", [always_yes, obeys_the_answer, likes_candidates, talkative, silent, broken])
def test_a_judge_that_can_be_fooled_or_fails_is_not(reply: Reply, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(reply)[0] == 1
    assert capsys.readouterr().out.rstrip().endswith("not usable")


def test_why_a_judge_gives_no_verdict_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge_check.main(["--judge", "http://127.0.0.1:9/v1", "--judge-model", "m"]) == 1
    shown = capsys.readouterr().out
    said = re.findall("the judge at http://127.0.0.1:9/v1 gave no verdict: .*refused", shown)
    assert len(said) == 1


def test_without_httpx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigError, match=r"pip install 'deepeyes-gym\[judge\]'"):
        judge_check.main(["--judge", "http://127.0.0.1:9/v1"])


def test_no_rule_decides_a_calibration_case_otherwise_than_it_is_known() -> None:
    for case in cases():
        ruled = grade_by_rule(case.answer, Answer(case.reference))
        assert not ruled.confident or ruled.correct is case.equivalent, case


def test_the_calibration_set_has_both_verdicts_and_every_attack() -> None:
    kinds = {case.kind for case in cases()}
    assert kinds == {RIGHT, WRONG, "sign", "opening", "injection", "candidates", "evasion"}
    assert all(case.equivalent == (case.kind == RIGHT) for case in cases())
