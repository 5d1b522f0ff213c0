"""The pure rules: roles, ownership, judgement, reachability, nonces, tokens, keys, times."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lentera_cloud.domain.judgement import EARLIEST_MS, RefusalCode, judge
from lentera_cloud.domain.keys import PublicKeyError, read_public_key
from lentera_cloud.domain.nonces import LIFETIME_MS, is_good_nonce, make_nonce
from lentera_cloud.domain.ownership import declare
from lentera_cloud.domain.problems import PROBLEMS, ProblemCode
from lentera_cloud.domain.reachability import SILENT_AFTER_MS, reachability
from lentera_cloud.domain.roles import Permission, Role, is_allowed, roles_with
from lentera_cloud.domain.tokens import make_token, read_token
from lentera_cloud.kit.times import from_wire, to_wire
from lentera_cloud.ports import DeviceRow
from lentera_model.batch import BatchError
from lentera_model.readings import Reading

NOW = 1_790_000_000_000


def row(device_id="lamp-1", gateway_id="gw-1", **changes) -> DeviceRow:
    one = DeviceRow("stabat", device_id, "Lamp", "luminaire", "z2m", gateway_id, "lamps", "a", NOW)
    return replace(one, **changes)


def by_id(*rows: DeviceRow) -> dict[str, DeviceRow]:
    return {one.device_id: one for one in rows}


# ------------------------------------------------------------------------------------------------------------ roles


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.ADMIN, {Permission.READ, Permission.COMMAND, Permission.MANAGE_GATEWAYS}),
        (Role.TECHNICIAN, {Permission.READ, Permission.MANAGE_GATEWAYS}),
        (Role.OPERATOR, {Permission.READ, Permission.COMMAND}),
        (Role.ANALYST, {Permission.READ}),
    ],
)
def test_each_role_may_what_the_table_says_and_nothing_else(role, allowed):
    assert {permission for permission in Permission if is_allowed(role, permission)} == allowed


def test_who_may_command():
    assert roles_with(Permission.COMMAND) == (Role.ADMIN, Role.OPERATOR)


# -------------------------------------------------------------------------------------------------------- ownership


def test_new_devices_are_taken():
    outcome = declare({}, [row(), row("lamp-2")], "gw-1")
    assert [one.device_id for one in outcome.changed] == ["lamp-1", "lamp-2"]
    assert outcome.contested == ()


def test_an_unchanged_list_changes_nothing():
    assert declare(by_id(row()), [row(declared_at_ms=NOW + 9)], "gw-1").changed == ()


def test_a_changed_description_is_written_and_keeps_the_flag():
    known = row(contested_by="gw-2")
    (changed,) = declare(by_id(known), [row(name="New")], "gw-1").changed
    assert (changed.name, changed.contested_by) == ("New", "gw-2")


def test_a_device_of_another_gateway_is_flagged_once_and_never_moved():
    known = row(gateway_id="gw-2", name="Theirs")
    outcome = declare(by_id(known), [row(name="Mine")], "gw-1")
    assert outcome.contested == ("lamp-1",)
    assert outcome.changed == (replace(known, contested_by="gw-1"),)
    again = declare(by_id(*outcome.changed), [row(name="Mine")], "gw-1")
    assert (again.changed, again.contested) == ((), ("lamp-1",))


def test_a_device_that_is_not_listed_any_more_is_marked_and_comes_back():
    gone = declare(by_id(row()), [], "gw-1").changed
    assert gone == (row(declared=False),)
    assert declare(by_id(*gone), [], "gw-1").changed == ()
    assert declare(by_id(*gone), [row()], "gw-1").changed == (row(),)


# -------------------------------------------------------------------------------------------------------- judgement


def test_one_devices_fault_costs_no_other_a_reading():
    readings = [
        Reading("mine", "p", NOW, {"power_active_total": 1.0}),
        Reading("theirs", "p", NOW, {}),
        Reading("nobodys", "p", NOW, {}),
        Reading("mine", "p", NOW + 301_000, {}),
        Reading("mine", "p", NOW + 300_000, {}),
        Reading("nobodys", "p", NOW - 1, {}),
    ]
    judgement = judge(readings, {"mine": "gw-1", "theirs": "gw-2"}, "gw-1", NOW, 300_000)
    assert list(judgement.accepted) == [readings[0], readings[4]]
    found = {one.device: (one.code, one.readings) for one in judgement.refused}
    assert found == {
        "mine": (RefusalCode.FROM_FUTURE, 1),
        "theirs": (RefusalCode.FOREIGN_DEVICE, 1),
        "nobodys": (RefusalCode.UNDECLARED_DEVICE, 2),
    }
    assert all(one.device in one.text for one in judgement.refused)


def test_stamps_from_before_2020_are_refused_with_the_time_and_the_remedy():
    good = Reading("meter-1", "p", EARLIEST_MS, {"frequency": 50.0})
    readings = [
        Reading("meter-1", "p", 5_000, {}),
        Reading("meter-1", "p", EARLIEST_MS - 1, {}),
        good,
        Reading("meter-1", "p", NOW + 300_001, {}),
        Reading("meter-2", "p", -(10**17), {}),
    ]
    judgement = judge(readings, {"meter-1": "gw-1", "meter-2": "gw-1"}, "gw-1", NOW, 300_000)
    assert judgement.accepted == (good,)
    future, past, far = judgement.refused
    assert (future.device, future.code, future.readings) == ("meter-1", RefusalCode.FROM_FUTURE, 1)
    assert (past.device, past.code, past.readings) == ("meter-1", RefusalCode.FROM_PAST, 2)
    assert all(word in past.text for word in ("meter-1", "1970-01-01T00:00:05Z", "set its time"))
    assert (far.code, str(-(10**17)) in far.text) == (RefusalCode.FROM_PAST, True)


def test_the_link_page_names_every_refusal_code():
    page = (Path(__file__).parents[3] / "docs" / "formats" / "link.md").read_text()
    listed = page.split("## Refusal codes")[1]
    assert {code for code in RefusalCode if f"`{code}`" not in listed} == set()


def test_every_error_of_a_batch_that_a_gateway_can_cause_has_a_refusal_code():
    codes = {error.code for error in BatchError.__subclasses__()} - {"invalid_sample"}
    assert codes <= set(RefusalCode)


# ----------------------------------------------------------------------------------------------------- reachability


@pytest.mark.parametrize(
    ("told", "declared", "connected", "read_ms_ago", "online"),
    [
        (True, True, True, 1000, True),
        (True, True, True, None, True),
        (True, True, True, SILENT_AFTER_MS + 1, None),
        (False, True, True, 1000, False),
        (None, True, True, 1000, True),
        (None, True, True, None, None),
        (None, True, True, SILENT_AFTER_MS + 1, None),
        (True, True, False, 1000, None),
        (True, False, True, 1000, None),
    ],
)
def test_reachability(told, declared, connected, read_ms_ago, online):
    read_at = None if read_ms_ago is None else NOW - read_ms_ago
    found = reachability(told, None, declared, connected, read_at, NOW)
    assert found.online is online
    assert found.reason


def test_the_gateways_own_words_are_kept():
    assert reachability(False, "3 polls unanswered", True, True, NOW, NOW).reason == "3 polls unanswered"


# ----------------------------------------------------------------------------------------------------------- nonces


def test_a_nonce_is_good_for_its_gateway_for_a_minute():
    nonce = make_nonce(b"s" * 32, "gw-1", NOW, b"12345678")
    assert is_good_nonce(b"s" * 32, "gw-1", nonce, NOW)
    assert is_good_nonce(b"s" * 32, "gw-1", nonce, NOW + LIFETIME_MS)
    assert not is_good_nonce(b"s" * 32, "gw-1", nonce, NOW + LIFETIME_MS + 1)
    assert not is_good_nonce(b"s" * 32, "gw-1", nonce, NOW - 1)
    assert not is_good_nonce(b"s" * 32, "gw-2", nonce, NOW)
    assert not is_good_nonce(b"t" * 32, "gw-1", nonce, NOW)


@pytest.mark.parametrize("nonce", ["", "x", "ä", "AAAA", "A" * 43, "A" * 44, "=" * 8])
def test_what_is_no_nonce_is_not_good(nonce):
    assert not is_good_nonce(b"s" * 32, "gw-1", nonce, NOW)


# ----------------------------------------------------------------------------------------------------------- tokens


def test_a_token_reads_back():
    token, parts = make_token(bytes(10), bytes(32))
    assert token == "lnt_" + "a" * 16 + "_" + "a" * 52
    assert read_token(token) == parts
    assert len(parts.secret_sha256) == 32


@pytest.mark.parametrize("token", ["", "lnt", "lnt_a_b", "lnt_" + "a" * 16 + "_" + "a" * 53, "x" * 5000])
def test_what_is_no_token_reads_as_none(token):
    assert read_token(token) is None


def test_a_token_needs_its_randomness():
    with pytest.raises(ValueError, match="random"):
        make_token(bytes(9), bytes(32))


# ------------------------------------------------------------------------------------------------------------- keys


def test_a_public_key_is_read_in_every_form():
    key = Ed25519PrivateKey.generate().public_key()
    raw = key.public_bytes_raw()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    forms = [
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        base64.b64encode(der).decode(),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
    ]
    assert {read_public_key(form) for form in forms} == {raw}


def test_a_private_key_is_pointed_out():
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(PublicKeyError, match="private key"):
        read_public_key(private)


@pytest.mark.parametrize("text", ["", "hello!", "AAAA", "A" * 44])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(PublicKeyError):
        read_public_key(text)


# ------------------------------------------------------------------------------------------------- times and problems


def test_times_travel_with_milliseconds():
    assert to_wire(1_790_000_000_007) == "2026-09-21T14:13:20.007Z"
    assert from_wire("2026-09-21T14:13:20.007Z") == 1_790_000_000_007
    assert from_wire("2026-09-21T21:13:20.007+07:00") == 1_790_000_000_007


@pytest.mark.parametrize("text", ["yesterday", "2026-09-21T13:33:20", "1960-01-01T00:00:00Z", "9999-01-01T00:00:00Z"])
def test_a_time_that_does_not_fit_says_why(text):
    with pytest.raises(ValueError, match=text[:4]):
        from_wire(text)


def test_every_problem_is_in_the_table():
    assert set(PROBLEMS) == set(ProblemCode)
