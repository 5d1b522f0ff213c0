"""A gateway that falls silent is gone; none is asked for a sign of life, since that would cost its SIM more."""

import asyncio

import pytest
from websockets.frames import Frame, Opcode

from lentera_cloud.kit import websockets as kit
from lentera_model.protocol import SAY_WITHIN_S, SILENT_S, Beat
from tests.cloud.support import open_link


async def is_online(site) -> bool:
    return (await site.client.get("/v1/gateways/gw-1")).json()["online"]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(kit, "SILENT_AFTER_S", 3.0)


async def test_a_silent_link_is_closed_and_one_that_beats_is_not(site, impatient):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        for _ in range(15):
            await asyncio.sleep(0.3)
            await link.say(Beat())
        assert await is_online(site)
        await asyncio.wait_for(link.socket.wait_closed(), 20)
        async with asyncio.timeout(20):
            while await is_online(site):
                await asyncio.sleep(0.05)


async def test_a_part_of_a_long_message_is_a_sign_of_life(site, impatient):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        frame = Frame(Opcode.BINARY, b"\x92\xa1p" + bytes(50)).serialize(mask=True, extensions=[])
        for at in range(15):
            link.socket.transport.write(frame[at : at + 1])
            await asyncio.sleep(0.3)
        assert await is_online(site)


def test_a_gateway_speaks_well_before_it_counts_as_gone():
    assert SILENT_S - SAY_WITHIN_S >= 10, "a packet that is repeated thrice comes within this"
    assert SILENT_S < 60, "a NAT forgets an idle connection after a minute; both sides know by then"
