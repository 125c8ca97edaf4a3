"""The detector of placeholder code: total, blind to layout, and undone by one statement that works."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deepeyes_env.placeholder import is_placeholder

literals = st.one_of(st.integers(), st.booleans(), st.none(), st.text(max_size=8), st.floats(0, 9)).map(repr)
idle_statements = st.one_of(
    st.just("pass"),
    st.just("import math"),
    literals,
    literals.map("print({})".format),
    literals.map("value = {}".format),
    st.lists(literals, min_size=1).map(lambda parts: f"print([{', '.join(parts)}])"),
    st.text(st.characters(codec="ascii", exclude_characters="\n\r\f\0"), max_size=20).map("# {}".format),
)
working_statements = st.sampled_from(
    ["image_1.show()", "image_2", "print(6 * 7)", "crop = image_1.crop((0, 0, 9, 9))", "print(sum([1, 2]))"]
)


@given(st.text())
def test_every_text_has_a_verdict(code: str) -> None:
    assert is_placeholder(code) in (True, False)


@given(st.lists(idle_statements))
def test_any_number_of_idle_statements_stays_idle(statements: list[str]) -> None:
    assert is_placeholder("\n".join(statements))


@given(st.lists(idle_statements), working_statements, st.data())
def test_one_statement_that_works_is_enough(statements: list[str], work: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(statements)))
    assert not is_placeholder("\n".join([*statements[:place], work, *statements[place:]]))
