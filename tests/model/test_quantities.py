"""The catalogue: names, units, and what is kept of a value."""

import math

import pytest

from lentera_model.identifiers import check_id
from lentera_model.quantities import CATALOGUE, Kind, UnknownQuantityError, quantity, round_to_float32, stored_precision


def test_every_entry_is_a_safe_name_with_a_unit_and_two_titles() -> None:
    for name, entry in CATALOGUE.items():
        assert check_id("quantity", name) == entry.name
        assert entry.unit
        assert entry.title_en
        assert entry.title_id


def test_units_are_si_never_kilo() -> None:
    assert {entry.unit for entry in CATALOGUE.values()} == {
        *("V", "A", "W", "var", "VA", "1", "deg", "Hz", "%", "Wh", "varh", "VAh", "s", "degC", "m3")
    }


@pytest.mark.parametrize(
    "name", ["energy_active_import_l2", "energy_reactive_sum_t1", "operating_time", "volume_gas_m3"]
)
def test_what_only_rises_is_a_counter(name: str) -> None:
    assert quantity(name).kind is Kind.COUNTER


def test_an_unknown_name_says_where_names_are() -> None:
    with pytest.raises(UnknownQuantityError, match=r"power_activ.*catalogue"):
        quantity("power_activ")


def test_counters_keep_every_digit_and_moments_seven() -> None:
    assert stored_precision("energy_active_import", 1_000_000_000.1) == 1_000_000_000.1
    assert stored_precision("power_active_total", 1234.5678901) == round_to_float32(1234.5678901) != 1234.5678901
    assert stored_precision("a_quantity_of_tomorrow", 0.1) == 0.1


def test_a_value_beyond_float32_becomes_infinite_for_codecs_to_refuse() -> None:
    assert math.isinf(round_to_float32(1e300))
    assert round_to_float32(-1e300) < 0
