"""Counts and times, added while others measure."""

from deepeyes_env.telemetry import Telemetry


def test_what_is_measured_in_the_midst_of_a_sum_does_no_harm():
    telemetry, other = Telemetry(), Telemetry()

    class Measuring:
        """A number that measures when it is added: as if another thread did."""

        def __add__(self, number):
            with telemetry.measure("meanwhile"):
                return 1 + number

        __radd__ = __add__

    telemetry.count.update({"code": Measuring(), "search": 1})
    assert (telemetry + other).count == {"code": 1, "search": 1}
    assert telemetry.count["meanwhile"] == 1


def test_sums_have_the_parts_of_both():
    one, other = Telemetry(failures=["a"]), Telemetry(failures=["b"])
    for telemetry in (one, other):
        with telemetry.measure("code"):
            pass
    both = one + other
    assert both.count == {"code": 2}
    assert both.seconds["code"] == one.seconds["code"] + other.seconds["code"]
    assert both.failures == ["a", "b"]
