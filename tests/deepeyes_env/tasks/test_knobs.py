import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks import open_source
from deepeyes_env.tasks.worlds.knobs import Knob, settings

KNOBS = {"things": Knob(4, 8, "things"), "contrast": Knob(0.9, 0.25, "share of full contrast")}


@given(st.floats(0, 1))
def test_difficulty_moves_every_knob_from_easy_to_hard(difficulty: float) -> None:
    chosen = settings(KNOBS, difficulty, {}, "family")
    assert chosen["things"] == round(4 + 4 * difficulty)
    assert chosen["contrast"] == pytest.approx(0.9 - 0.65 * difficulty)


def test_a_chosen_setting_wins_over_difficulty() -> None:
    assert settings(KNOBS, 1.0, {"things": 5}, "family") == {"things": 5, "contrast": 0.25}


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"thing": 5}, "knobs.family.thing: no such knob; did you mean 'things'?"),
        ({"things": 9}, "knobs.family.things = 9: must be a whole number from 4 to 8"),
        ({"things": 4.5}, "knobs.family.things = 4.5: must be a whole number from 4 to 8"),
        ({"contrast": 0.1}, "knobs.family.contrast = 0.1: must be a number from 0.25 to 0.9"),
        ({"contrast": float("nan")}, "must be a number from 0.25 to 0.9"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(chosen: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(KNOBS, 0.5, chosen, "family")
    assert message in str(caught.value)


def test_a_configuration_sets_knobs() -> None:
    source = {"families": ["house-number"], "knobs": {"house-number": {"houses": 4}}}
    tasks = open_source(load_config(EnvConfig, {"source": source}).source)
    plain = open_source(load_config(EnvConfig, {"source": source | {"knobs": {}}}).source)
    assert tasks.task(0).images != plain.task(0).images


def test_knobs_of_a_family_that_was_not_chosen_are_refused() -> None:
    source = {"families": ["closer-look"], "knobs": {"house-number": {"houses": 4}}}
    with pytest.raises(ConfigError, match="not one of the chosen families"):
        open_source(load_config(EnvConfig, {"source": source}).source)


@pytest.mark.parametrize("difficulty", [-0.1, 1.5, float("nan")])
def test_a_difficulty_out_of_range_is_refused(difficulty: float) -> None:
    with pytest.raises(ConfigError, match="must be from 0"):
        open_source(load_config(EnvConfig, {"source": {"difficulty": difficulty}}).source)
