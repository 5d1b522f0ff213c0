"""The link: messages both ways, their order on each side, and bytes that lie."""

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_model.protocol import (
    Ack,
    Acknowledged,
    BatchFrame,
    BatchRefused,
    Beat,
    Bye,
    CancelArrived,
    CancelMessage,
    ClockSeen,
    Closed,
    CloudLink,
    CloudMessage,
    CommandArrived,
    CommandMessage,
    CommandUpdate,
    DeliveryChanged,
    DeviceDeclaration,
    DeviceStatus,
    GapReport,
    GatewayLink,
    GatewayMessage,
    Hello,
    ModeChanged,
    Noted,
    Opened,
    PaceDeclaration,
    Ping,
    Pong,
    ProtocolError,
    Refusal,
    Refuse,
    ReportNoted,
    SetDelivery,
    SetMode,
    Status,
    Tally,
    TallyRow,
    Welcome,
    decode_cloud_message,
    decode_gateway_message,
    encode_message,
    link_claims,
    negotiate,
)

LAMP = DeviceDeclaration("lamp-001", "luminaire", "zigbee2mqtt_light", "Jalan Merdeka 1", "lamps", "lamp-001")
PACED = msgspec.structs.replace(LAMP, paces=[PaceDeclaration(60_000, ["level"]), PaceDeclaration(900_000)])
HELLO = Hello([1], [1], "0.1.0", bytes(16), 3, 1000, [LAMP], 2)
WELCOME = Welcome(1, 1, 1_760_000_000_000, "live", 1 << 20)
COMMAND = CommandMessage("e_1", "lamp-001", "set_level", {"level_percent": 40.0}, 1_760_000_300_000, 20_000, 1, 9)
FROM_GATEWAY: list[GatewayMessage] = [
    HELLO,
    BatchFrame(b"LB..."),
    CommandUpdate("e_1", "succeeded", None, None, "readback", {"level_percent": 40.0}, 5),
    DeviceStatus("lamp-001", False, "availability says offline", 6),
    Status(3, 4096, None, "economy"),
    Status(3, 4096, None, "economy", 61_000_000, 60),
    GapReport(3, 1, "killed", 1_760_000_000_000, 1_760_000_002_500, ["lamp-001"], 60, 12, 90),
    Tally(3, 2, 1_760_000_400_000, [TallyRow("lamp-001", 60_000, 60, 57, 2, {"silent": 1})]),
    Beat(),
    Ping(1, 7),
]
FROM_CLOUD: list[CloudMessage] = [
    WELCOME,
    Ack(3, 9),
    Ack(3, 9, [Refusal("meter-9", "foreign_device", "meter-9 belongs to gw-2")]),
    Refuse(3, 9, "corrupt", "checksum"),
    COMMAND,
    CancelMessage("e_1"),
    SetMode("economy"),
    Noted(3, 2),
    SetDelivery("economy", 8_000, 75_000_000, 5),
    SetDelivery(None),
    Pong(1, 1_760_000_000_000),
    Bye("revoked", "this gateway's key was revoked", 3600),
]


def test_the_lists_above_name_every_message() -> None:
    assert {type(message) for message in FROM_GATEWAY} == set(typing.get_args(GatewayMessage))
    assert {type(message) for message in FROM_CLOUD} == set(typing.get_args(CloudMessage))


@pytest.mark.parametrize("message", FROM_GATEWAY, ids=lambda m: type(m).__name__)
def test_gateway_messages_both_ways(message: GatewayMessage) -> None:
    data = encode_message(message)
    assert decode_gateway_message(data) == message
    with pytest.raises(ProtocolError, match="cloud"):
        decode_cloud_message(data)


@pytest.mark.parametrize("message", FROM_CLOUD, ids=lambda m: type(m).__name__)
def test_cloud_messages_both_ways(message: CloudMessage) -> None:
    data = encode_message(message)
    assert decode_cloud_message(data) == message
    with pytest.raises(ProtocolError, match="gateway"):
        decode_gateway_message(data)


def test_a_newer_side_may_add_fields_at_the_end() -> None:
    data = msgspec.msgpack.encode([*msgspec.msgpack.decode(encode_message(Ping(1, 7))), "news"])
    assert decode_gateway_message(data) == Ping(1, 7)


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    for decode in (decode_gateway_message, decode_cloud_message):
        try:
            decode(data)
        except ProtocolError:
            continue
        assert data[:1] in b"\x92\x93\x94\x95\x96\x97\x98\x99\xdc"


def test_what_is_too_large_is_refused_unread() -> None:
    with pytest.raises(ProtocolError, match="limit of 10"):
        decode_gateway_message(encode_message(HELLO), max_bytes=10)
    with pytest.raises(ProtocolError):
        decode_gateway_message(encode_message(Hello([1], [1], "0", bytes(16), 1, 1, [LAMP] * 2001)))


def opened() -> GatewayLink:
    link = GatewayLink(HELLO, window=2)
    assert link.opening(1000) == HELLO
    events = link.receive(WELCOME, 1060)
    assert events == [Opened(WELCOME), ClockSeen(1_760_000_000_000, 1030, 30), ModeChanged("live")]
    return link


def test_the_gateway_sends_nothing_before_welcome() -> None:
    link = GatewayLink(HELLO)
    link.opening(1000)
    assert not link.is_open
    assert not link.may_send_batch()
    with pytest.raises(ProtocolError, match="Ack came before Welcome"):
        link.receive(Ack(3, 1), 1001)
    assert link.receive(Bye("unsupported_version", "update", 60), 1002) == [Closed("unsupported_version", "update", 60)]


def test_a_version_that_was_not_offered_closes_the_link() -> None:
    for welcome in (Welcome(3, 1, 0, None, 1), Welcome(1, 2, 0, None, 1)):
        with pytest.raises(ProtocolError, match="did not offer"):
            GatewayLink(HELLO).receive(welcome, 0)
    with pytest.raises(ProtocolError, match="twice"):
        opened().receive(WELCOME, 2000)


def test_the_window_fills_and_acknowledgements_open_it() -> None:
    link = opened()
    link.batch_sent(3, 1)
    assert link.may_send_batch()
    link.batch_sent(3, 2)
    assert not link.may_send_batch()
    assert link.unacknowledged == 2
    assert link.receive(Ack(3, 1), 5000) == [Acknowledged(3, 1, ())]
    assert link.may_send_batch()
    assert link.receive(Refuse(3, 2, "corrupt", "x"), 5000) == [BatchRefused(3, 2, "corrupt", "x")]
    assert link.receive(Ack(3, 7), 5000) == [Acknowledged(3, 7, ())]


def test_commands_modes_and_time_arrive_as_events() -> None:
    link = opened()
    assert link.receive(COMMAND, 2000) == [CommandArrived(COMMAND)]
    assert link.receive(CancelMessage("e_1"), 2000) == [CancelArrived("e_1")]
    assert link.receive(SetMode("economy"), 2000) == [ModeChanged("economy")]
    assert link.receive(SetDelivery("live", 8_000), 2000) == [DeliveryChanged(SetDelivery("live", 8_000))]
    assert link.receive(Noted(3, 4), 2000) == [ReportNoted(3, 4)]
    ping = link.ping(3000)
    assert link.receive(Pong(ping.nonce, 99_000), 3051) == [ClockSeen(99_000, 3025, 26)]
    assert link.receive(Pong(ping.nonce, 99_000), 3052) == []


def test_the_cloud_wants_hello_first_and_once() -> None:
    link = CloudLink()
    with pytest.raises(ProtocolError, match="BatchFrame came before Hello"):
        link.receive(BatchFrame(b""))
    assert link.receive(HELLO) is HELLO
    assert link.hello is HELLO
    assert link.receive(Ping(1, 2)) == Ping(1, 2)
    with pytest.raises(ProtocolError, match="Hello came twice"):
        link.receive(HELLO)
    welcome = link.welcome(HELLO, 5, None)
    assert (welcome.protocol_version, welcome.batch_version, welcome.server_time_ms, welcome.mode) == (1, 1, 5, None)


def test_a_side_of_version_1_is_spoken_to_in_version_1() -> None:
    cloud = CloudLink()
    assert cloud.welcome(HELLO, 5, None).protocol_version == cloud.protocol_version == 1
    newest = Hello([1, 2], [1], "0.1.0", bytes(16), 3, 1000, [PACED], 2)
    assert cloud.welcome(newest, 5, None).protocol_version == cloud.protocol_version == 2
    gateway = GatewayLink(newest)
    assert gateway.protocol_version == 0
    gateway.receive(WELCOME, 1000)
    assert gateway.protocol_version == 1


def test_messages_of_version_1_read_as_they_did() -> None:
    """Written down from version 1: neither may change for as long as such gateways are in the field."""
    hello = bytes.fromhex("99a16891019101a5302e312e30c410" + "00" * 16 + "03cd03e891")
    lamp = msgspec.msgpack.encode(
        ["lamp-001", "luminaire", "zigbee2mqtt_light", "Jalan Merdeka 1", "lamps", "lamp-001"]
    )
    assert decode_gateway_message(hello + lamp + b"\x02") == HELLO
    assert decode_gateway_message(bytes.fromhex("95a17303cd1000c0a765636f6e6f6d79")) == Status(3, 4096, None, "economy")


def test_the_newest_common_version_is_chosen_or_both_lists_are_named() -> None:
    assert negotiate("batch format", [1, 2, 9], frozenset({1, 2, 3})) == 2
    with pytest.raises(ProtocolError, match=r"batch format.*\[9\].*\[1, 2\]"):
        negotiate("batch format", [9], frozenset({1, 2}))


def test_the_claims_of_a_link_token() -> None:
    assert link_claims("gw-1", 100) == {"iss": "gw-1", "aud": "lentera-link", "iat": 100, "exp": 220}
    assert link_claims("gw-1", 100, "n")["nonce"] == "n"
