"""The requests to InfluxDB, synchronous and thread-safe: write a body, ask a question, make a bucket."""

from __future__ import annotations

import io
import threading
from typing import Final

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.dialect import Dialect
from influxdb_client.rest import ApiException

from lentera_cloud.adapters.influx_series.answers import Cell, cells
from lentera_cloud.adapters.influx_series.errors import InfluxUnavailableError, MissingBucketError, said_plainly

_CONNECT_TIMEOUT_S: Final = 5.0
_POOL: Final = 8
_READ_BYTES: Final = 1 << 16
_CONFLICT_STATUSES: Final = frozenset({409, 422})  # how a server says that somebody made the bucket first


class Influx:
    """One server, one organisation, one token."""

    def __init__(self, url: str, token: str, org: str, timeout_s: float) -> None:
        """Prepare the client; nothing is sent yet."""
        self._url, self._org = url, org
        self._client = InfluxDBClient(
            url=url,
            token=token,
            org=org,
            enable_gzip=False,  # on a local network it costs more time at both ends than it saves between them
            timeout=(int(_CONNECT_TIMEOUT_S * 1000), int(timeout_s * 1000)),  # pyright: ignore[reportArgumentType]
            connection_pool_maxsize=_POOL,
        )
        self._write = self._client.write_api(write_options=SYNCHRONOUS)
        self._query = self._client.query_api()
        self._buckets = self._client.buckets_api()
        self._known: set[str] = set()
        self._making = threading.Lock()

    def close(self) -> None:
        """Close the sockets; the client can be used again afterwards."""
        if self._client.api_client is not None:
            self._client.api_client.rest_client.pool_manager.clear()

    def check(self) -> None:
        """Ask the server something small with our token.

        Raises:
            InfluxUnavailableError: it does not answer, or the token or the organisation is wrong.
        """
        with said_plainly(self._url, "greeting", content=False):
            found = self._buckets.find_buckets(limit=1, org=self._org)
        if getattr(found, "buckets", None) is None:
            raise InfluxUnavailableError(f"what listens at {self._url} does not speak like InfluxDB 2: is it a proxy?")

    def write(self, bucket: str, body: bytes) -> None:
        """Store lines; the bucket is made if it is missing.

        Raises:
            InfluxUnavailableError: try the same again later.
            StoreRefusedError: InfluxDB refuses the content (it may have kept part of it).
        """
        self._ensure(bucket)
        try:
            self._send(bucket, body)
        except MissingBucketError:  # deleted since we last looked
            self.forget(bucket)
            self._ensure(bucket)
            self._send(bucket, body)

    def _send(self, bucket: str, body: bytes) -> None:
        with said_plainly(self._url, f"write to bucket {bucket}", content=True):
            self._write.write(bucket=bucket, org=self._org, record=body, write_precision="ms")  # pyright: ignore[reportArgumentType]

    def ask(self, text: str) -> list[Cell]:
        """Return every value of the answer to a Flux question.

        Raises:
            InfluxUnavailableError: no answer, or one that broke off.
            MissingBucketError: the bucket does not exist.
        """
        dialect = Dialect(header=True, annotations=[], date_time_format="RFC3339")
        with said_plainly(self._url, "question", content=False):
            response = self._query.query_raw(text, org=self._org, dialect=dialect)
            response.auto_close = False  # else it counts as closed with its last byte, while text is still buffered
            try:
                stream = io.TextIOWrapper(io.BufferedReader(response, _READ_BYTES), encoding="utf-8", newline="")
                return list(cells(stream))
            finally:
                response.close()
                response.release_conn()

    def forget(self, bucket: str) -> None:
        """Look again whether this bucket exists before the next write."""
        self._known.discard(bucket)

    def _ensure(self, bucket: str) -> None:
        if bucket in self._known:
            return
        with self._making, said_plainly(self._url, f"make bucket {bucket}", content=False):
            if bucket not in self._known:
                if self._buckets.find_bucket_by_name(bucket) is None:
                    self._create(bucket)
                self._known.add(bucket)

    def _create(self, bucket: str) -> None:
        description = "Readings of one tenant of Lentera; the schema is docs/formats/influxdb.md"
        try:
            self._buckets.create_bucket(bucket_name=bucket, org=self._org, description=description)
        except ApiException as error:
            if error.status not in _CONFLICT_STATUSES or self._buckets.find_bucket_by_name(bucket) is None:
                raise
        except ValueError as error:  # the client could not read the answer
            raise InfluxUnavailableError(f"InfluxDB at {self._url} gave an unreadable answer: {error}") from error
