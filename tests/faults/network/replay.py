"""Say again what a gateway has said: every byte of a recorded connection, or its batches with other content."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace
from websockets.asyncio.client import connect

from lentera_model.batch import decode, encode
from lentera_model.protocol import (
    Ack,
    BatchFrame,
    CloudMessage,
    decode_cloud_message,
    decode_gateway_message,
    encode_message,
)
from lentera_sim.ports import LOOPBACK
from tests.faults.network.frames import HEAD, Cutter, Piece

ANSWERED_WITHIN_S = 60.0
SHIFT_MS = 137


def batches(said: Sequence[Piece]) -> list[BatchFrame]:
    """The batches among what was said."""
    messages = (decode_gateway_message(piece.payload) for piece in said if piece.kind == "b")
    return [message for message in messages if isinstance(message, BatchFrame)]


async def repeat(port: int, said: Sequence[Piece]) -> list[Ack]:
    """Open a connection, say the same bytes, return the acknowledgements once there is one for each batch."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    cutter, acknowledged = Cutter(), list[Ack]()
    try:
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            writer.write(said[0].raw)
            while len(acknowledged) < len(batches(said)):
                data = await reader.read(65_536)
                assert data, "the cloud ended the repeated connection"
                for piece in cutter.feed(data):
                    if piece.kind == HEAD:
                        assert b" 101 " in piece.raw, piece.raw
                        writer.write(b"".join(other.raw for other in said[1:]))
                    elif piece.kind == "A":
                        acknowledged += _acknowledgement(decode_cloud_message(piece.payload))
    finally:
        writer.close()
    return acknowledged


async def forge(port: int, said: Sequence[Piece]) -> list[Ack]:
    """Say the same batches by name, but with every stamp moved: stored, each of them would be seen as doubled."""
    head = dict(line.split(": ", 1) for line in said[0].raw.decode().split("\r\n")[1:-2])
    hello = next(piece.payload for piece in said if piece.kind == "h")
    url = f"ws://{LOOPBACK}:{port}/v1/link"
    acknowledged = list[Ack]()
    async with (
        asyncio.timeout(ANSWERED_WITHIN_S),
        connect(url, additional_headers={"Authorization": head["Authorization"]}, compression=None, proxy=None) as link,
    ):
        await link.send(hello)
        frames = batches(said)
        for frame in frames:
            await link.send(encode_message(_moved(frame)))
        while len(acknowledged) < len(frames):
            data = await link.recv()
            assert isinstance(data, bytes)
            acknowledged += _acknowledgement(decode_cloud_message(data))
    return acknowledged


def _moved(frame: BatchFrame) -> BatchFrame:
    batch = decode(frame.sealed)
    samples = [replace(sample, monotonic_ms=sample.monotonic_ms + SHIFT_MS) for sample in batch.samples]
    header = batch.header
    return BatchFrame(encode(header.key, header.boot_id, header.sealed_monotonic_ms, samples, header.clock))


def _acknowledgement(message: CloudMessage) -> list[Ack]:
    return [message] if isinstance(message, Ack) else []
