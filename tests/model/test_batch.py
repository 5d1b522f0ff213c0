"""The batch codec: both ways for any samples in every format, and against bytes that lie."""

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from lentera_model.batch import (
    DEFAULT_LIMITS,
    FORMAT_VERSION,
    FORMAT_VERSIONS,
    BatchError,
    BatchKey,
    ClockFit,
    ClockUnknownError,
    CorruptBatchError,
    InvalidSampleError,
    Limits,
    OversizedBatchError,
    TruncatedBatchError,
    UnsupportedVersionError,
    decode,
    encode,
    peek,
    to_send,
    with_clock,
)
from lentera_model.batch.blocks import pack_blocks
from lentera_model.batch.columns import pack_integers, unpack_integers
from lentera_model.quantities import CATALOGUE, stored_precision
from lentera_model.readings import Quality, Sample

GOLDEN = Path(__file__).parent / "golden"
KEY = BatchKey("gw-stabat-01", 7, 42)
BOOT = bytes(range(16))
PREFIX = struct.Struct("<2sBBHI")
VERSIONS = pytest.mark.parametrize("version", FORMAT_VERSIONS)
ZSTD_MAGIC = bytes.fromhex("28b52ffd")

values = st.floats(-(2.0**127), 2.0**127, allow_nan=False, width=32) | st.integers(-(10**7), 10**7).map(
    lambda n: n / 1000
)
names = st.sampled_from(sorted(CATALOGUE)) | st.just("a_quantity_of_tomorrow")
samples = st.builds(
    Sample,
    device=st.sampled_from(["meter-1", "meter-2", "meter-10", "lamp-001"]),
    profile=st.sampled_from(["eastron_sdm630", "zigbee2mqtt_light"]),
    monotonic_ms=st.integers(0, 2**48 - 1),
    values=st.dictionaries(names, values, max_size=8),
    quality=st.sampled_from(Quality),
)


def in_stored_precision(sample: Sample) -> Sample:
    return msgspec.structs.replace(
        sample, values={name: stored_precision(name, value) for name, value in sample.values.items()}
    )


def order(sample: Sample) -> tuple[object, ...]:
    return sample.device, sample.monotonic_ms, sample.profile, sample.quality, sorted(sample.values.items())


@VERSIONS
@given(st.lists(samples, min_size=1, max_size=80))
@settings(max_examples=150, deadline=None)
def test_what_goes_in_comes_out(version: int, given_samples: list[Sample]) -> None:
    sealed = encode(KEY, BOOT, 99, given_samples, ClockFit(1_700_000_000_000, 12, "ntp"), version)
    batch = decode(sealed)
    assert sorted(batch.samples, key=order) == sorted(map(in_stored_precision, given_samples), key=order)
    assert batch.header == peek(sealed)
    assert batch.header.rows == len(given_samples)
    assert batch.header.values == sum(len(sample.values) for sample in given_samples)
    offsets = {r.at_ms - s.monotonic_ms for r, s in zip(batch.readings(), batch.samples, strict=True)}
    assert offsets == {1_700_000_000_000}


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=200))
def test_integer_columns_both_ways(numbers: list[int]) -> None:
    assert unpack_integers(pack_integers(numbers), len(numbers)) == numbers


@given(st.lists(samples, min_size=1, max_size=40), st.booleans())
@settings(max_examples=150, deadline=None)
def test_who_knows_only_the_first_format_gets_the_same_batch_in_it(given_samples: list[Sample], known: bool) -> None:
    clock = ClockFit(1_700_000_000_000, 12, "ntp") if known else None
    sealed = encode(KEY, BOOT, 99, given_samples, clock)
    older = to_send(sealed, 1)
    first = encode(KEY, BOOT, 99, given_samples, clock, 1)
    assert (older[2], to_send(first, FORMAT_VERSION)) == (1, first)
    assert sorted(decode(older).samples, key=order) == sorted(decode(sealed).samples, key=order)
    assert decode(older).samples == decode(first).samples
    header, again = peek(older), peek(sealed)
    assert (header.key, header.clock, header.rows, header.values) == (again.key, clock, again.rows, again.values)


@VERSIONS
def test_a_clock_is_added_without_touching_the_body(version: int) -> None:
    sealed = encode(KEY, BOOT, 99, [Sample("m", "p", 5, {"frequency": 50.0})], version=version)
    assert peek(sealed).boot_id == BOOT
    with pytest.raises(ClockUnknownError, match="gw-stabat-01/7/42"):
        decode(sealed).readings()
    dated = with_clock(sealed, ClockFit(1000, 3, "link"))
    assert [reading.at_ms for reading in decode(dated).readings()] == [1005]
    assert decode(dated).samples == decode(sealed).samples
    assert dated[-body_bytes(sealed) :] == sealed[-body_bytes(sealed) :]


def body_bytes(sealed: bytes) -> int:
    return len(sealed) - sealed.index(ZSTD_MAGIC) if sealed[2] == 1 else peek(sealed).unpacked_bytes


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        (Sample("m", "p", 5, {"frequency": float("nan")}), "'m': frequency is nan"),
        (Sample("m", "p", 5, {"power_active_total": 1e300}), "power_active_total is 1e.300"),
        (Sample("m", "p", -1, {"frequency": 50.0}), "stamp -1 ms"),
        (Sample("m/1", "p", 5, {"frequency": 50.0}), "device id 'm/1'"),
        (Sample("m", "p", 5, {"a b": 50.0}), "quantity id 'a b'"),
    ],
)
@VERSIONS
def test_a_sample_that_no_batch_can_carry_names_its_device(version: int, sample: Sample, says: str) -> None:
    with pytest.raises(InvalidSampleError, match=says):
        encode(KEY, BOOT, 99, [sample], version=version)


def test_an_empty_batch_and_a_short_boot_id_are_mistakes_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        encode(KEY, BOOT, 99, [])
    with pytest.raises(ValueError, match="boot id"):
        encode(KEY, b"short", 99, [Sample("m", "p", 5, {})])


def street() -> list[Sample]:
    meter = [
        Sample("meter-1", "eastron_sdm630", 1000 * t, {"voltage_l1": 230.5, "energy_active_import": 123456789.25 + t})
        for t in range(6)
    ]
    lamps = [
        Sample(f"lamp-{n:03}", "zigbee2mqtt_light", 500 + n, {"level_percent": 40.0, "power_active_total": 24.1 + n})
        for n in range(3)
    ]
    partial = Sample("meter-1", "eastron_sdm630", 6000, {"voltage_l1": 229.0}, Quality.SUSPECT)
    return [*meter, *lamps, partial]


def test_golden_files_of_every_format_ever_sent_still_decode() -> None:
    found = sorted(GOLDEN.glob("batch-v*.bin"))
    assert found, "the golden files are part of the format's promise"
    for path in found:
        expected = json.loads(path.with_suffix(".json").read_text())
        batch = decode(path.read_bytes())
        assert (
            msgspec.to_builtins(batch.header, str_keys=True) | {"boot_id": batch.header.boot_id.hex()}
            == expected["header"]
        )
        assert [msgspec.to_builtins(sample) for sample in batch.samples] == expected["samples"]


@VERSIONS
def test_the_encoder_still_writes_the_golden_formats(version: int) -> None:
    sealed = encode(KEY, BOOT, 6100, street(), ClockFit(1_760_000_000_000, 7, "link"), version)
    golden = (GOLDEN / f"batch-v{version}.bin").read_bytes()
    assert peek(sealed) == peek(golden)
    if version == 1:
        # zstd may pack differently from one version to the next; what it packs may not change.
        sealed, golden = (zstd.decompress(data[data.index(ZSTD_MAGIC) :]) for data in (sealed, golden))
    assert sealed == golden


# ---- bytes that lie ------------------------------------------------------------------------------------------------

BATCHES = {
    version: encode(KEY, BOOT, 6100, street(), ClockFit(1_760_000_000_000, 7, "link"), version)
    for version in FORMAT_VERSIONS
}
SEALED = BATCHES[1]


@VERSIONS
def test_every_truncation_is_refused(version: int) -> None:
    sealed = BATCHES[version]
    for length in range(len(sealed)):
        with pytest.raises((TruncatedBatchError, CorruptBatchError)):
            decode(sealed[:length])


@VERSIONS
@pytest.mark.parametrize("length", [0, 5, 9, 30, -1, -20])
def test_a_truncation_is_called_one(version: int, length: int) -> None:
    with pytest.raises(TruncatedBatchError, match="again whole"):
        decode(BATCHES[version][:length])


@VERSIONS
@given(st.data(), st.integers(1, 255))
@settings(max_examples=250, deadline=None)
def test_every_flipped_byte_is_noticed(version: int, data: st.DataObject, change: int) -> None:
    damaged = bytearray(BATCHES[version])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= change
    with pytest.raises(BatchError):
        decode(bytes(damaged))


@VERSIONS
@given(st.binary(max_size=400))
def test_noise_is_refused(version: int, data: bytes) -> None:
    with pytest.raises(BatchError):
        decode(data)
    with pytest.raises(BatchError):
        decode(b"LB" + bytes([version]) + data)


def test_another_version_and_other_bytes_are_told_apart() -> None:
    with pytest.raises(UnsupportedVersionError, match="format 3 is not known here, only 1 and 2"):
        decode(b"LB\x03" + SEALED[3:])
    with pytest.raises(CorruptBatchError, match="no batch"):
        decode(b"PK\x03\x04" + SEALED)


def forge(body: object, **header: object) -> bytes:
    """Build a batch whose checksums are right and whose contents may lie."""
    unpacked = body if isinstance(body, bytes) else msgspec.msgpack.encode(body)
    fields = {
        **{"gateway": "gw", "epoch": 1, "sequence": 1, "boot_id": BOOT, "sealed": 5, "clock": None},
        **{"rows": 1, "values": 1, "unpacked": len(unpacked)},
    } | header
    data = msgspec.msgpack.encode(list(fields.values()))
    return PREFIX.pack(b"LB", 1, 0, len(data), zlib.crc32(data)) + data + zstd.compress(unpacked)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = bytes(1 << 30)[: 64 << 20]
    with pytest.raises(OversizedBatchError, match="limits"):
        decode(forge(bomb))
    with pytest.raises(OversizedBatchError, match="unpacks to more than the 1000"):
        decode(forge(bomb, unpacked=1000))
    with pytest.raises(OversizedBatchError, match="over the limit"):
        decode(SEALED, replace(DEFAULT_LIMITS, sealed_bytes=100))


def block(**change: object) -> list[object]:
    fields = {
        **{"profile": "p", "devices": ["m"], "counts": [1], "stamps": [5, 0, b""], "quality": None},
        "columns": [["frequency", None, ["d", 0, [50, 0, b""]]]],
    } | change
    return [list(fields.values())]


def test_a_forged_batch_that_tells_the_truth_is_read() -> None:
    assert decode(forge(block())).samples == (Sample("m", "p", 5, {"frequency": 50.0}),)


@pytest.mark.parametrize(
    ("body", "header", "error"),
    [
        (block(counts=[10**9]), {}, OversizedBatchError),
        (block(counts=[2]), {}, OversizedBatchError),
        (block(counts=[0]), {"rows": 0}, CorruptBatchError),
        (block(counts=[1, 1]), {}, CorruptBatchError),
        (block(devices=["m", "m"], counts=[1, 1]), {"rows": 2, "values": 2}, CorruptBatchError),
        (block(devices=["m/../x"]), {}, CorruptBatchError),
        (block(stamps=[-5, 0, b""]), {}, CorruptBatchError),
        (block(stamps=[2**60, 0, b""]), {}, CorruptBatchError),
        (block(stamps=[5, 3, b"abc"]), {}, CorruptBatchError),
        (block(quality=b"\x00\x00"), {}, CorruptBatchError),
        (block(columns=[["frequency", b"\x02", ["d", 0, [50, 0, b""]]]]), {}, CorruptBatchError),
        (block(columns=[["frequency", b"\x00", ["d", 0, [50, 0, b""]]]]), {"values": 0}, CorruptBatchError),
        (block(columns=[["frequency", None, ["d", 9, [50, 0, b""]]]]), {}, CorruptBatchError),
        (block(columns=[["frequency", None, ["f", 4, b"\x00\x00\xc0\x7f"]]]), {}, CorruptBatchError),
        (block(columns=[["frequency", None, ["f", 5, b"12345"]]]), {}, CorruptBatchError),
        (block(columns=[["f", None, ["d", 0, [1, 0, b""]]]] * 2), {"values": 2}, CorruptBatchError),
        (block(columns=[[f"q{n}", None, ["d", 0, [1, 0, b""]]] for n in range(600)]), {}, OversizedBatchError),
        (block() * 3, {}, OversizedBatchError),
        (b"\xc1", {}, CorruptBatchError),
        ({"a": 1}, {}, CorruptBatchError),
        (block(), {"rows": 2}, CorruptBatchError),
        (block(), {"boot_id": b"short"}, CorruptBatchError),
        (block(), {"epoch": -1}, CorruptBatchError),
        (block(), {"gateway": "../x"}, CorruptBatchError),
        (block(), {"clock": [1, -1, "ntp"]}, CorruptBatchError),
        (block(), {"clock": "noon"}, CorruptBatchError),
        (block(), {"rows": 10**6}, OversizedBatchError),
    ],
)
def test_contents_that_contradict_themselves_are_refused(
    body: object, header: dict[str, object], error: type[BatchError]
) -> None:
    with pytest.raises(error):
        decode(forge(body, **header))


def test_a_constant_column_of_many_rows_stays_within_the_limits() -> None:
    wide = block(counts=[90_000], columns=[[f"q{n}", None, ["d", 0, [1, 0, b""]]] for n in range(500)])
    with pytest.raises(OversizedBatchError, match="values"):
        decode(forge(wide, rows=90_000, values=1_000_000))


def test_every_row_and_value_limit_is_the_readers_own() -> None:
    with pytest.raises(OversizedBatchError):
        decode(SEALED, Limits(rows=3))


def test_blocks_keep_profiles_apart() -> None:
    blocks, rows, count = pack_blocks(street())
    assert [(b.profile, len(b.devices)) for b in blocks] == [("eastron_sdm630", 1), ("zigbee2mqtt_light", 3)]
    assert (rows, count) == (10, 19)


def test_a_frame_that_asks_for_a_larger_window_than_any_batch_needs_is_refused() -> None:
    body = msgspec.msgpack.encode(block())
    plain = forge(body)
    # Incompressible, so that the frame keeps its window instead of shrinking to its content.
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    wide = compressor.compress(body) + compressor.flush()
    with pytest.raises(CorruptBatchError, match="does not unpack"):
        decode(plain[: plain.index(ZSTD_MAGIC)] + wide)


def test_a_quality_of_a_newer_version_is_suspect() -> None:
    [sample] = decode(forge(block(quality=b"\x09"))).samples
    assert sample.quality is Quality.SUSPECT
