"""What can go wrong between us and InfluxDB, told apart by what helps: try again, or never send this again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from lentera_cloud.ports import StoreError, StoreRefusedError, StoreUnavailableError

_CONTENT: Final = frozenset({400, 413, 422})
_ACCESS: Final = frozenset({401, 403})


class InfluxUnavailableError(StoreUnavailableError):
    """InfluxDB does not answer, is overloaded, or does not let us in.

    Attributes:
        retry_after_s: seconds that the server asks us to wait, None when it did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        """Keep the message and the server's wish."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MissingBucketError(InfluxUnavailableError):
    """The tenant's bucket was deleted behind our back; it is made again."""


@contextmanager
def said_plainly(url: str, doing: str, *, content: bool) -> Iterator[None]:
    """Turn what the client raises in the body into our errors.

    Args:
        url: the server, for the message.
        doing: what was tried, for the message ("write to bucket lentera-stabat").
        content: whether a 400, 413 or 422 speaks about data (a write) and means refusal.
    """
    try:
        yield
    except ApiException as error:
        raise from_response(error, url, doing, content=content) from error
    except (HTTPError, OSError) as error:
        text = str(error) or type(error).__name__
        raise InfluxUnavailableError(
            f"InfluxDB at {url} does not answer ({doing}): {text[:300]}; check that it runs and the address"
        ) from error


def from_response(error: ApiException, url: str, doing: str, *, content: bool) -> StoreError:
    """Return our error for an HTTP status that is no success."""
    status, reason = error.status or 0, _message(error)
    where = f"InfluxDB at {url} answered {status} ({doing}): {reason}"
    if status in _CONTENT and content:
        return StoreRefusedError(f"{where}; these readings will be refused again")
    if status in _ACCESS:
        return InfluxUnavailableError(f"{where}; give LENTERA_INFLUX_TOKEN the right to read and write all buckets")
    if status == 404:
        return MissingBucketError(f"{where}; the bucket or the organisation LENTERA_INFLUX_ORG does not exist")
    return InfluxUnavailableError(f"{where}; try again", _retry_after(error))


def _message(error: ApiException) -> str:
    body = error.body.decode("utf-8", "replace") if isinstance(error.body, bytes) else str(error.body or "")
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    text = said.get("message") if isinstance(said, dict) else None
    return str(text or body or error.reason)[:500]


def _retry_after(error: ApiException) -> float | None:
    headers = error.headers or {}
    text = str(headers.get("Retry-After") or "")
    return float(text) if text.isdigit() else None
