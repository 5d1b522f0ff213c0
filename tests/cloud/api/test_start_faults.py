"""What waiting does not mend ends the service with words; what an outage kept from being sent is sent after it."""

import asyncio
import os
import sqlite3
import subprocess
import sys

import pytest

from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.adapters.sql.commands import SqlCommands
from lentera_cloud.ports import StoreSchemaError, StoreUnavailableError
from lentera_cloud.worker import work
from lentera_model.protocol import CommandMessage
from tests.cloud.api.test_commands import DIM
from tests.cloud.api.test_process import SERVE, WORK, environment
from tests.cloud.support import open_link, running_server, settings_in


async def from_the_future(folder) -> None:
    """Leave a registry in the folder whose schema a newer version made."""
    registry = SqlRegistry(settings_in(folder).registry_url)
    await registry.start()
    await registry.close()
    database = sqlite3.connect(folder / "registry.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()


async def test_a_newer_schema_ends_the_service(tmp_path):
    await from_the_future(tmp_path)
    with pytest.raises(StoreSchemaError, match=r"9999.*newer"):
        async with asyncio.timeout(5), running_server(settings_in(tmp_path)):
            await asyncio.Event().wait()
    with pytest.raises(StoreSchemaError, match="9999"):
        await asyncio.wait_for(work(settings_in(tmp_path), asyncio.Event()), 5)


@pytest.mark.parametrize("program", [SERVE, WORK])
async def test_a_newer_schema_ends_the_process_with_1(tmp_path, program):
    await from_the_future(tmp_path)
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert ended.returncode == 1
    assert "9999" in ended.stderr
    assert "restore a backup" in ended.stderr
    assert "cloud_ready" not in ended.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_may_not_be_written_ends_the_service(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    settings = settings_in(tmp_path, registry_url=f"sqlite+aiosqlite:///{folder}/deep/registry.db")
    with pytest.raises(OSError, match="deep"):
        async with asyncio.timeout(5), running_server(settings):
            await asyncio.Event().wait()


async def test_a_command_that_an_outage_kept_back_is_sent_after_it(site, monkeypatch):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        real, left = SqlCommands.save, 3

        async def save(self, *arguments) -> bool:
            nonlocal left
            left -= 1
            if left >= 0:
                raise StoreUnavailableError("a hiccup")
            return await real(self, *arguments)

        monkeypatch.setattr(SqlCommands, "save", save)
        answer = await site.client.post("/v1/commands", json=DIM)
        assert answer.status_code == 202
        (execution,) = answer.json()["executions"]
        assert execution["state"] == "queued"
        message = await link.hear(CommandMessage, 8)
        assert message.execution_id == execution["execution_id"]
        assert left < 0
