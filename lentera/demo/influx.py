"""The demo's manners towards somebody's InfluxDB: knock first, and take the own bucket away again after a clean run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lentera.demo.options import InfluxOptions
from lentera.errors import StoreNotOpenError

if TYPE_CHECKING:
    from lentera_cloud.ports import StoreUnavailableError

ANSWER_LIMIT_S = 4.0


def bucket_name(tenant: str) -> str:
    """The bucket that holds a tenant's readings."""
    from lentera_cloud.adapters.influx_series.store import bucket_of

    return bucket_of(tenant)


async def knock(influx: InfluxOptions) -> None:
    """Ask the server something small. Raises StoreNotOpenError with its own words and the option to correct."""
    from lentera_cloud.adapters.influx_series import InfluxSeries
    from lentera_cloud.ports import StoreUnavailableError

    series = InfluxSeries(influx.url, influx.token, influx.org, timeout_s=ANSWER_LIMIT_S)
    try:
        await series.start()
    except StoreUnavailableError as error:
        raise StoreNotOpenError(f"{str(error).rstrip('.')}. Correct {option_to_correct(error)}.") from error
    finally:
        await series.close()


def option_to_correct(error: StoreUnavailableError) -> str:
    """The option of `lentera demo` that a refusal points at."""
    status = getattr(error.__cause__, "status", None)
    if status in (401, 403):
        return "--influx-token (LENTERA_INFLUX_TOKEN)"
    if status == 404:
        return "--influx-org (LENTERA_INFLUX_ORG)"
    return "--influx-url (LENTERA_INFLUX_URL)"


async def delete_bucket(influx: InfluxOptions, tenant: str) -> str:
    """Delete the bucket that the run with this tenant made; returns what became of it, in words.

    The tenant's name was drawn for this run alone, so the bucket can be nobody else's.
    """
    return await asyncio.to_thread(_delete_bucket, influx, bucket_name(tenant))


def _delete_bucket(influx: InfluxOptions, name: str) -> str:
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.rest import ApiException
    from urllib3.exceptions import HTTPError

    try:
        with InfluxDBClient(url=influx.url, token=influx.token, org=influx.org, timeout=10_000) as client:
            buckets = client.buckets_api()
            bucket = buckets.find_bucket_by_name(name)
            if bucket is None:
                return f"the run left no bucket in InfluxDB ({name} was never made)"
            buckets.delete_bucket(bucket)
    except (ApiException, HTTPError, OSError) as error:
        return f"the bucket {name} is left in InfluxDB: it could not be deleted ({str(error).splitlines()[0]})"
    return f"the run's bucket {name} was deleted again (--keep leaves it)"
