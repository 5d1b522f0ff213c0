"""TLS in front of a plain cloud, with a certificate of its own, whose kernel counts what passes on the outside."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lentera_gateway.link.tcp import tcp_count

HOST = "127.0.0.1"
SYN_ACK_BYTES = 52
"""The listening socket sends it, so the accepted one does not count it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-made certificate for the loopback address: its file is also what its peer trusts."""

    file: Path
    key_file: Path


def make_certificate(folder: Path) -> Certificate:
    """Write a certificate (P-256, as usual today) and its key into a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lentera bench")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = Certificate(folder / "front.pem", folder / "front.key")
    found.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    found.key_file.write_bytes(pem)
    return found


class TlsFront:
    """Ends TLS and hands everything on to the cloud, connection by connection."""

    def __init__(self, certificate: Certificate, cloud_url: str) -> None:
        """Stand before the cloud of this http address."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.file, certificate.key_file)
        self._cloud_port = urlsplit(cloud_url).port
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, int] = {}
        self._before = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._admit, HOST, 0, ssl=self._context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where a gateway finds the link."""
        assert self._server is not None
        return f"wss://{HOST}:{self._server.sockets[0].getsockname()[1]}/v1/link"

    def air_bytes(self) -> int:
        """All bytes that the kernel has counted on the outside."""
        for writer in self._open:
            self._look(writer)
        return self._before + sum(self._open.values())

    def _look(self, writer: asyncio.StreamWriter) -> None:
        seen = tcp_count(writer.get_extra_info("socket"))
        if seen is not None:
            self._open[writer] = seen.air_bytes + SYN_ACK_BYTES

    def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = 0
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(HOST, self._cloud_port)
        lanes = [asyncio.create_task(_pump(reader, inner_writer)), asyncio.create_task(_pump(inner_reader, writer))]
        try:
            await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._look(writer)
            self._before += self._open.pop(writer)
            for one in (*lanes,):
                one.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
            for end in (writer, inner_writer):
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
