"""The session with a broker: what it does with brokers that are old, strict, or wrongly addressed."""

import asyncio
from pathlib import Path

from aiomqtt import Message
from amqtt.broker import Broker

from lentera_drivers.mqtt.session import BrokerAddress, MqttSession


class Listener:
    """A session with what it heard."""

    def __init__(self, port: int, *topics: str, username: str | None = None, password_file: Path | None = None) -> None:
        self.messages: list[bytes] = []
        self.links: list[tuple[bool, str]] = []
        self.news = asyncio.Event()
        self.fails = False
        address = BrokerAddress("127.0.0.1", port, "lentera-test", username, password_file)
        self.session = MqttSession(address, topics, self._message, self._link)

    def _message(self, message: Message) -> None:
        self.news.set()
        if self.fails:
            raise ZeroDivisionError("handler")
        assert isinstance(message.payload, bytes)
        self.messages.append(message.payload)

    def _link(self, up: bool, reason: str) -> None:
        self.links.append((up, reason))
        self.news.set()

    async def next(self) -> None:
        async with asyncio.timeout(8):
            await self.news.wait()
        self.news.clear()


async def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1(held_port):
    allow_all = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{held_port}"}}
    broker = Broker({"listeners": listeners, "plugins": allow_all})
    await broker.start()
    listener = Listener(held_port, "a/b")
    await listener.session.open()
    await listener.next()
    assert listener.links == [(True, f"broker at 127.0.0.1:{held_port} is connected")]
    await listener.session.publish("a/b", b"hello", expiry_s=5)
    await listener.next()
    assert listener.messages == [b"hello"]
    await listener.session.close()
    await broker.shutdown()


async def test_a_handler_that_fails_costs_neither_the_connection_nor_the_next_message(mosquitto, name):
    listener = Listener(mosquitto.port, name)
    await listener.session.open()
    await listener.next()
    listener.fails = True
    await listener.session.publish(name, b"1", expiry_s=5)
    await listener.next()
    listener.fails = False
    await listener.session.publish(name, b"2", expiry_s=5)
    await listener.next()
    assert listener.messages == [b"2"]
    counters = listener.session.counters
    assert (counters.handler_errors, counters.connections, counters.messages) == (1, 1, 2)
    await listener.session.close()


async def test_a_password_file_that_cannot_be_read_is_named(mosquitto, tmp_path):
    listener = Listener(mosquitto.port, "x", username="gateway", password_file=tmp_path / "none")
    await listener.session.open()
    await listener.next()
    assert listener.links[0][0] is False
    assert "No such file or directory" in listener.links[0][1]
    (tmp_path / "none").write_text("secret\n")
    await listener.next()
    assert listener.links[1][0] is True, "it is read again at the next try"
    await listener.session.close()


async def test_a_port_where_no_broker_is(held_port):
    listener = Listener(held_port, "x")
    await listener.session.open()
    await listener.next()
    assert listener.links[0][0] is False
    assert not listener.session.is_up
    assert not await listener.session.wait_up(0.01)
    await listener.session.close()
    await listener.session.close()
