"""Leases of background jobs in SQL."""

from sqlalchemy import delete, or_, update

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import upsert
from lentera_cloud.adapters.sql.tables import job_lease


class SqlJobs:
    """Implements :class:`lentera_cloud.ports.Jobs`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def acquire(self, job: str, holder: str, now_ms: int, lease_ms: int) -> bool:
        """See the port."""
        free = or_(job_lease.c.holder == holder, job_lease.c.until_ms <= now_ms)
        take = update(job_lease).where(job_lease.c.job == job, free)  # any tenant: jobs belong to none
        async with self._database.write() as connection:
            await upsert(connection, job_lease, [{"job": job, "holder": "", "until_ms": 0}], ())
            taken = await connection.execute(take.values(holder=holder, until_ms=now_ms + lease_ms))
            return bool(taken.rowcount)

    async def release(self, job: str, holder: str) -> None:
        """See the port."""
        mine = delete(job_lease).where(  # any tenant: jobs belong to none
            job_lease.c.job == job, job_lease.c.holder == holder
        )
        async with self._database.write() as connection:
            await connection.execute(mine)
