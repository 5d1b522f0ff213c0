"""Format 2 of the batch: numbers as bits both ways, every value bit for bit, and bodies that lie."""

import binascii
import hashlib
import math
import struct
import zlib
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lentera_model.batch import (
    DEFAULT_LIMITS,
    BatchError,
    BatchKey,
    ClockFit,
    CorruptBatchError,
    OversizedBatchError,
    TruncatedBatchError,
    UnsupportedVersionError,
    decode,
    encode,
    peek,
    to_send,
    with_clock,
)
from lentera_model.batch.bits import MAX_WIDTH, BitReader, BitWriter
from lentera_model.batch.names import PROFILES, QUANTITIES
from lentera_model.batch.numbers import FORMS, from_integers, to_integers
from lentera_model.batch.sequences import Groups, put_grouped, put_numbers, take_grouped, take_numbers
from lentera_model.quantities import CATALOGUE, Kind
from lentera_model.readings import Quality, Sample

KEY = BatchKey("gw-stabat-01", 7, 42)
BOOT = bytes(range(16))
FROZEN = "815594c0fe7cf62e09cdad969d4a12ed56517b875c777e76010a7f56c05c4ad3"

wide = st.integers(-(2**63), 2**63)
close = st.integers(-3, 3)
series = st.one_of(
    st.lists(wide, min_size=1, max_size=300),
    st.lists(close, min_size=1, max_size=300),
    st.lists(st.integers(10**9, 10**9 + 50_000), min_size=1, max_size=300),
    st.lists(st.sampled_from([0, 400, 2**40]), min_size=1, max_size=300),
    st.lists(st.sampled_from([0, 0, 0, 0, 0, 0, 0, 7, -900]), min_size=3, max_size=300).map(
        lambda steps: [5 + sum(steps[:n]) for n in range(len(steps))]
    ),
)


@given(series, st.integers(-(2**40), 2**40))
def test_sequences_both_ways(numbers: list[int], near: int) -> None:
    bits = BitWriter()
    bits.put(5, 3)
    put_numbers(bits, numbers, near)
    bits.put_gamma(77)
    reader = BitReader(bits.to_bytes())
    assert reader.take(3) == 5
    assert list(take_numbers(reader, len(numbers), near)) == numbers
    assert reader.take_gamma() == 77
    reader.end()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.data())
def test_grouped_numbers_both_ways(sizes: list[int], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([wide, close, st.integers(10**9, 10**9 + 99)]))
    numbers = data.draw(st.lists(kind, min_size=sum(sizes), max_size=sum(sizes)))
    bits = BitWriter()
    put_grouped(bits, numbers, Groups(sizes))
    assert list(take_grouped(BitReader(bits.to_bytes()), Groups(sizes))) == numbers


@given(st.lists(st.tuples(st.integers(0, MAX_WIDTH), st.integers(1, 300)), min_size=1, max_size=6), st.integers(0))
def test_many_numbers_of_one_width_are_put_and_taken_at_once(runs: list[tuple[int, int]], seed: int) -> None:
    random = Random(seed)
    bits = BitWriter()
    given_runs = [(width, [random.getrandbits(width) if width else 0 for _ in range(count)]) for width, count in runs]
    for width, numbers in given_runs:
        bits.put_all(numbers, width)
    one_by_one = BitWriter()
    for width, numbers in given_runs:
        for number in numbers:
            one_by_one.put(number, width)
    assert bits.to_bytes() == one_by_one.to_bytes()
    reader = BitReader(bits.to_bytes())
    assert [list(reader.take_all(len(numbers), width)) for width, numbers in given_runs] == [
        numbers for _, numbers in given_runs
    ]


def test_the_bits_of_a_small_stream_are_those_of_the_page() -> None:
    bits = BitWriter()
    bits.put_gamma(1)
    bits.put_gamma(6)
    bits.put_signed(-3)
    assert bits.to_bytes() == bytes([0b1110_1001, 0b1010_0000])


@given(
    st.sampled_from(["power_active_total", "energy_active_import"]),
    st.one_of(
        st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=40),
        st.lists(st.integers(-(10**7), 10**7).map(lambda n: n / 100), min_size=1, max_size=40),
        st.lists(st.integers(0, 10**6).map(lambda n: n * 1000.0), min_size=1, max_size=40),
        st.lists(st.floats(0, 2.0**100, width=32).map(lambda f: f * 1000.0), min_size=1, max_size=40),
        st.lists(st.sampled_from([0.0, -0.0, 5e-324, -1e-45, 1.0]), min_size=1, max_size=9),
    ),
)
def test_every_value_comes_back_bit_for_bit(name: str, given_values: list[float]) -> None:
    letter, width = ("d", 8) if name.startswith("energy") else ("f", 4)
    try:
        packed = struct.pack(f"<{len(given_values)}{letter}", *given_values)
    except OverflowError:
        return
    values = struct.unpack(f"<{len(given_values)}{letter}", packed)
    if not all(map(math.isfinite, values)):
        return
    again = from_integers(*to_integers(values, packed, width), width)
    assert struct.pack(f"<{len(values)}{letter}", *again) == packed
    sealed = encode(KEY, BOOT, 99, [Sample("m", "p", 5 + n, {name: value}) for n, value in enumerate(values)])
    decoded = [sample.values[name] for sample in decode(sealed).samples]
    assert struct.pack(f"<{len(values)}{letter}", *decoded) == packed


@pytest.mark.parametrize(
    ("values", "width", "form"),
    [
        ([230.1, 229.9], 8, 4),
        ([12_000.0, 13_000.0], 8, 0),
        ([50.0], 8, 2),
        ([0.98765], 8, 8),
        ([13145.388671875 * 1000, 13145.3994140625 * 1000], 8, 10),
        ([math.pi, math.e], 8, 11),
        ([math.pi, math.e], 4, 9),
    ],
)
def test_a_column_takes_the_form_of_its_meters_resolution(values: list[float], width: int, form: int) -> None:
    letter = "d" if width == 8 else "f"
    packed = struct.pack(f"<{len(values)}{letter}", *values)
    assert to_integers(struct.unpack(f"<{len(values)}{letter}", packed), packed, width)[0] == form


@given(
    st.lists(
        st.sampled_from(
            ["lamp-001", "lamp-002", "lamp-1", "lamp-2", "lamp-10", "0000000000123", "12", "m", "lam", "a.b_7", "7"]
        ),
        unique=True,
        min_size=1,
    )
)
def test_device_ids_keep_their_zeros_and_their_values(devices: list[str]) -> None:
    given_samples = [Sample(device, "p", n % 3, {"frequency": n / 8}) for n, device in enumerate(devices)]
    found = decode(encode(KEY, BOOT, 99, given_samples)).samples
    assert sorted(found, key=lambda sample: sample.device) == sorted(given_samples, key=lambda sample: sample.device)


def test_forty_lamps_cost_little_more_than_their_values() -> None:
    lamps = [
        Sample(f"lamp-{n:03}", "zigbee2mqtt_light", 1000 + n, {"level_percent": 40.0, "voltage_l1": 230.1 + n % 3})
        for n in range(40)
    ]
    assert len(to_send(encode(KEY, BOOT, 2000, lamps, ClockFit(1_760_000_000_000, 7, "ntp")))) < 80


def test_the_lists_of_names_are_frozen_with_the_format() -> None:
    text = "\n".join([*QUANTITIES, "", *PROFILES])
    assert hashlib.sha256(text.encode()).hexdigest() == FROZEN
    assert len(set(QUANTITIES)) == len(QUANTITIES)
    assert len(set(PROFILES)) == len(PROFILES) <= 64
    # The page's rule for which of them keep a float64; the catalogue must not come to say otherwise.
    for name in QUANTITIES:
        counts = name.startswith(("energy_", "volume_")) or name == "operating_time"
        assert (CATALOGUE[name].kind is Kind.COUNTER) is counts


# ---- bodies that lie -----------------------------------------------------------------------------------------------


def forge(body: bytes, rows: int = 1, values: int = 1, **change: bytes) -> bytes:
    """Build a batch whose checksum is right and whose contents may lie."""
    parts = {
        **{"flags": b"\x08", "gateway": b"\x02gw", "numbers": b"\x01\x01\x05", "boot": BOOT},
        **{"rows": number(rows), "values": number(values), "size": number(len(body)), "body": body},
    } | change
    content = b"".join(parts.values())
    head = content[: len(content) - len(parts["body"])]
    checked = binascii.crc_hqx(head, 0).to_bytes(2, "little") + content
    return b"LB\x02" + zlib.crc32(checked).to_bytes(4, "little") + checked


def number(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + number(value >> 7) if value > 0x7F else bytes([value])


def block(
    *,
    rows: int = 1,
    device: str = "m",
    age: int = 0,
    places: tuple[int, ...] = (27,),
    form: int = 3,
    value: int = 50,
    same: int | None = None,
) -> BitWriter:
    """One block of one device, whose columns all have one number in all rows."""
    bits = BitWriter()
    bits.put_gamma(2)
    bits.put(0, 1)
    bits.put_text("p")
    bits.put_gamma(2)
    bits.put_gamma(1)
    bits.put_text(device)
    bits.put_gamma(1)
    bits.put_signed(rows)
    constant(bits, rows, age)
    bits.put(0, 1)
    bits.put_gamma(len(places) + 1)
    for before, place in zip((-1, *places), places, strict=False):
        bits.put_gamma(place - before)
    bits.put_gamma(1)
    for index, _ in enumerate(places):
        bits.put(0, 1)
        bits.put(same is not None, 1)
        if same is not None:
            bits.put(same, index.bit_length())
        else:
            bits.put(form, 4)
            constant(bits, rows, value if index == 0 else 0)
    return bits


def constant(bits: BitWriter, rows: int, low: int) -> None:
    if rows > 1:
        bits.put(0, 2)
    bits.put_signed(low)
    if rows > 1:
        bits.put(0, 7)


def test_a_forged_batch_that_tells_the_truth_is_read() -> None:
    batch = decode(forge(block().to_bytes()))
    assert batch.samples == (Sample("m", "p", 5, {"frequency": 50.0}),)
    assert (batch.header.key, batch.header.boot_id) == (BatchKey("gw", 1, 1), BOOT)


@pytest.mark.parametrize(
    ("sealed", "error"),
    [
        (forge(block(device="m/../x").to_bytes()), CorruptBatchError),
        (forge(block(age=6).to_bytes()), CorruptBatchError),
        (forge(block(age=-(2**60)).to_bytes()), CorruptBatchError),
        (forge(block(places=(200,)).to_bytes()), CorruptBatchError),
        (forge(block(form=FORMS).to_bytes()), CorruptBatchError),
        (forge(block(form=5, value=2**53).to_bytes()), CorruptBatchError),
        (forge(block(form=9, value=0x7F800000).to_bytes()), CorruptBatchError),
        (forge(block(form=9, value=2**31).to_bytes()), CorruptBatchError),
        (forge(block(form=11, value=2**63).to_bytes()), CorruptBatchError),
        (forge(block(form=11, value=2**63 - 1).to_bytes()), CorruptBatchError),
        (forge(block(same=0).to_bytes()), CorruptBatchError),
        (forge(block(rows=0).to_bytes()), CorruptBatchError),
        (forge(block(rows=-1).to_bytes()), CorruptBatchError),
        (forge(block(rows=2).to_bytes()), OversizedBatchError),
        (forge(block(rows=2**40).to_bytes()), OversizedBatchError),
        (forge(block(places=(27, 28)).to_bytes()), OversizedBatchError),
        (forge(block().to_bytes(), rows=2), CorruptBatchError),
        (forge(block().to_bytes(), values=2), CorruptBatchError),
        (forge(block().to_bytes(), values=10**7), OversizedBatchError),
        (forge(block().to_bytes(), rows=10**6), OversizedBatchError),
        (forge(block().to_bytes() + b"\x00"), CorruptBatchError),
        (forge(block().to_bytes()[:-1]), TruncatedBatchError),
        (forge(bytes(64)), CorruptBatchError),
        (forge(b""), TruncatedBatchError),
        (forge(b"", gateway=b"\x04../x"), CorruptBatchError),
        (forge(b"", gateway=b"\x02\xff\xff"), CorruptBatchError),
        (forge(b"", numbers=b"\xff" * 10 + b"\x01\x01"), CorruptBatchError),
        (forge(b"", numbers=b"\xff" * 8 + b"\x01\x01\x01"), CorruptBatchError),
        (forge(b"", size=number(9 << 20)), TruncatedBatchError),
        (forge(b"more", size=number(0)), CorruptBatchError),
        (forge(block().to_bytes(), flags=b"\x48"), UnsupportedVersionError),
    ],
)
def test_contents_that_contradict_themselves_are_refused(sealed: bytes, error: type[BatchError]) -> None:
    with pytest.raises(error):
        decode(sealed)


@given(st.binary(min_size=1, max_size=200), st.integers(1, 50), st.integers(0, 500))
@settings(max_examples=250, deadline=None)
def test_noise_in_a_body_is_refused_or_read_within_the_promise(body: bytes, rows: int, values: int) -> None:
    try:
        batch = decode(forge(body, rows, values))
    except BatchError:
        return
    assert (len(batch.samples), sum(len(sample.values) for sample in batch.samples)) == (rows, values)


def test_a_column_of_one_number_is_no_way_round_the_limits() -> None:
    few = block(rows=90_000, places=tuple(range(100))).to_bytes()
    assert len(few) < 500
    with pytest.raises(OversizedBatchError, match="values"):
        decode(forge(few, 90_000, 1_000_000))
    assert len(decode(forge(block(rows=90_000).to_bytes(), 90_000, 90_000)).samples) == 90_000
    with pytest.raises(OversizedBatchError):
        decode(forge(block(places=(26, 27)).to_bytes(), values=2), replace(DEFAULT_LIMITS, columns=1))


def test_a_batch_that_travels_with_its_clock_does_not_say_its_boot() -> None:
    sample = Sample("m", "p", 5, {"frequency": 50.0}, Quality.STALE)
    unclocked = encode(KEY, BOOT, 99, [sample])
    assert to_send(unclocked) == unclocked
    assert peek(unclocked).boot_id == BOOT
    for source in ("ntp", "link", "gps"):
        fit = ClockFit(-5, 3, source)
        sealed = encode(KEY, BOOT, 99, [sample], fit)
        assert sealed == with_clock(unclocked, fit)
        sent = to_send(sealed)
        assert len(sent) == len(sealed) - len(BOOT)
        assert to_send(sent) == sent
        assert decode(sent).samples == decode(sealed).samples == (sample,)
        assert peek(sent) == replace(peek(sealed), boot_id=bytes(16))
        assert (peek(sealed).boot_id, peek(sealed).clock, peek(sealed).key) == (BOOT, fit, KEY)


def test_a_batch_with_a_damaged_body_is_still_named() -> None:
    sealed = encode(KEY, BOOT, 99, [Sample("m", "p", 5, {"frequency": 50.0})])
    assert peek(sealed[:-1]).key == KEY
    with pytest.raises(TruncatedBatchError):
        decode(sealed[:-1])
    for damaged in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:3] + bytes(4) + sealed[7:]):
        assert peek(damaged).key == KEY
        with pytest.raises(CorruptBatchError, match="checksum"):
            decode(damaged)
