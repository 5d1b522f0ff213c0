"""Paces, tallies and backlogs in SQL: a row a change of paces, a row a tally, a row a gateway's backlog."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import upsert
from lentera_cloud.adapters.sql.scope import rows_of
from lentera_cloud.adapters.sql.tables import device_pace, gateway_backlog, read_tally
from lentera_cloud.domain.completeness import Pace, PaceVersion
from lentera_cloud.domain.tallies import HourTally
from lentera_cloud.ports.tallies import Backlog
from lentera_model.protocol import TallyRow

_NAMES_A_QUESTION: Final = 5_000
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(tuple[TallyRow, ...])


class SqlTallies:
    """Implements :class:`lentera_cloud.ports.Tallies`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def note_paces(self, tenant: str, gateway_id: str, paces: Mapping[str, Sequence[Pace]], now_ms: int) -> None:
        """See the port."""
        async with self._database.write() as connection:
            known = await _paces(connection, tenant, paces)
            changed = [
                {
                    "tenant": tenant,
                    "device_id": device,
                    "valid_from_ms": now_ms,
                    "gateway_id": gateway_id,
                    "paces": _written(told),
                }
                for device, told in paces.items()
                if _is_news(known.get(device, ()), PaceVersion(now_ms, tuple(told), gateway_id))
            ]
            await upsert(connection, device_pace, changed, ("gateway_id", "paces"))

    async def paces(self, tenant: str, devices: Collection[str]) -> dict[str, list[PaceVersion]]:
        """See the port."""
        async with self._database.read() as connection:
            return await _paces(connection, tenant, devices)

    async def add(self, tenant: str, tally: HourTally) -> None:
        """See the port."""
        row = {
            "tenant": tenant,
            "gateway_id": tally.gateway,
            "hour_ms": tally.hour_ms,
            "epoch": tally.epoch,
            "number": tally.number,
            "counts": _ENCODER.encode(tally.rows),
        }
        async with self._database.write() as connection:
            await upsert(connection, read_tally, [row], ())

    async def of_hours(self, tenant: str, gateways: Collection[str], from_ms: int, to_ms: int) -> list[HourTally]:
        """See the port."""
        found: list[HourTally] = []
        within = (read_tally.c.hour_ms >= from_ms, read_tally.c.hour_ms < to_ms)
        async with self._database.read() as connection:
            for part in _parts(gateways):
                statement = rows_of(tenant, read_tally, read_tally.c.gateway_id.in_(part), *within)
                found += [_tally(row) for row in await connection.execute(statement)]
        return found

    async def note_backlog(self, tenant: str, gateway_id: str, backlog: Backlog) -> None:
        """See the port."""
        row = {
            "tenant": tenant,
            "gateway_id": gateway_id,
            "waiting": backlog.waiting,
            "oldest_ms": backlog.oldest_ms,
            "told_at_ms": backlog.told_at_ms,
        }
        async with self._database.write() as connection:
            await upsert(connection, gateway_backlog, [row], ("waiting", "oldest_ms", "told_at_ms"))

    async def backlogs(self, tenant: str) -> dict[str, Backlog]:
        """See the port."""
        async with self._database.read() as connection:
            rows = await connection.execute(rows_of(tenant, gateway_backlog))
            return {row.gateway_id: Backlog(row.waiting, row.oldest_ms, row.told_at_ms) for row in rows}


async def _paces(connection: AsyncConnection, tenant: str, devices: Collection[str]) -> dict[str, list[PaceVersion]]:
    found: dict[str, list[PaceVersion]] = {}
    for part in _parts(devices):
        mine = rows_of(tenant, device_pace, device_pace.c.device_id.in_(part)).order_by(device_pace.c.valid_from_ms)
        for row in await connection.execute(mine):
            version = PaceVersion(row.valid_from_ms, _read(row.paces), row.gateway_id)
            found.setdefault(row.device_id, []).append(version)
    return found


def _parts(names: Collection[str]) -> Iterator[list[str]]:
    """Yield the names in parts that one statement may hold."""
    listed = list(names)
    for begin in range(0, len(listed), _NAMES_A_QUESTION):
        yield listed[begin : begin + _NAMES_A_QUESTION]


def _is_news(known: Sequence[PaceVersion], told: PaceVersion) -> bool:
    if not known:
        return bool(told.paces)
    return (known[-1].paces, known[-1].gateway) != (told.paces, told.gateway)


def _written(paces: Sequence[Pace]) -> str:
    return json.dumps([[one.every_ms, list(one.quantities), one.heartbeat_ms] for one in paces])


def _read(text: str) -> tuple[Pace, ...]:
    return tuple(Pace(every_ms, tuple(names), heartbeat_ms) for every_ms, names, heartbeat_ms in json.loads(text))


def _tally(row: Row[Any]) -> HourTally:
    return HourTally(row.gateway_id, row.epoch, row.number, row.hour_ms, _DECODER.decode(row.counts))
