"""The registry as one object: its repositories on one database."""

from sqlalchemy import text

from lentera_cloud.adapters.sql.commands import SqlCommands
from lentera_cloud.adapters.sql.conflicts import SqlConflicts
from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.deliveries import SqlDeliveries
from lentera_cloud.adapters.sql.devices import SqlDevices
from lentera_cloud.adapters.sql.gaps import SqlGaps
from lentera_cloud.adapters.sql.gateways import SqlGateways
from lentera_cloud.adapters.sql.jobs import SqlJobs
from lentera_cloud.adapters.sql.links import SqlLinks
from lentera_cloud.adapters.sql.receipts import SqlReceipts
from lentera_cloud.adapters.sql.spans import SqlSpans
from lentera_cloud.adapters.sql.tallies import SqlTallies
from lentera_cloud.adapters.sql.tenants import SqlTenants


class SqlRegistry:
    """Implements :class:`lentera_cloud.ports.Registry` on SQLite or PostgreSQL."""

    def __init__(self, url: str) -> None:
        """Prepare for the database at a SQLAlchemy address; nothing is opened before :meth:`start`."""
        self._database = Database(url)
        self.tenants = SqlTenants(self._database)
        self.gateways = SqlGateways(self._database)
        self.devices = SqlDevices(self._database)
        self.commands = SqlCommands(self._database)
        self.receipts = SqlReceipts(self._database)
        self.spans = SqlSpans(self._database)
        self.conflicts = SqlConflicts(self._database)
        self.gaps = SqlGaps(self._database)
        self.deliveries = SqlDeliveries(self._database)
        self.tallies = SqlTallies(self._database)
        self.links = SqlLinks(self._database)
        self.jobs = SqlJobs(self._database)

    async def start(self) -> None:
        """See the port."""
        await self._database.migrate()

    async def close(self) -> None:
        """See the port."""
        await self._database.close()

    async def ping(self) -> None:
        """See the port."""
        async with self._database.read() as connection:
            await connection.execute(text("SELECT 1"))
