"""No wrong value is ever believed, on wires that do everything that wires do; the same wire catches a plain client.

`python -m bench --only million` runs the same for longer.
"""

import pytest

from bench.million import run


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["rtu", "rtu_over_tcp", "tcp"])
def test_the_driver_believes_nothing_that_is_not_true(kind, seed):
    tally = run("lentera", kind, 1500, seed)
    assert tally.wrong_values == 0
    assert tally.faults > 300, "the wire was not hostile"
    assert tally.good_values > 6 * tally.polls, "most polls give their 8 values all the same"


@pytest.mark.parametrize("kind", ["rtu", "rtu_over_tcp"])
def test_the_same_wire_catches_a_client_that_believes_too_much(kind):
    assert run("pymodbus", kind, 2500, 1).wrong_values > 0
