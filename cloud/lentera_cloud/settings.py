"""Every setting of the cloud, read from the environment (prefix ``LENTERA_``) or given by the caller."""

from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

REGISTRY_SCHEMES = ("sqlite+aiosqlite", "postgresql+asyncpg")


class SeriesKind(StrEnum):
    """Which store keeps the readings."""

    SQLITE = "sqlite"
    INFLUXDB = "influxdb"
    MEMORY = "memory"
    """Nothing outlives the process; for tests and trials."""


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(BaseSettings):
    """Where the cloud keeps things, where it listens and how much it takes.

    Raises pydantic's ValidationError naming the setting when a value does not fit.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="LENTERA_", extra="ignore", frozen=True)

    registry_url: str = Field(
        default="sqlite+aiosqlite:///var/cloud/registry.db",
        description="Database of gateways, devices, commands and tokens: sqlite+aiosqlite:///FILE or "
        "postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE.",
    )
    series: SeriesKind = Field(default=SeriesKind.SQLITE, description="Store of readings: sqlite, influxdb or memory.")
    series_path: Path = Field(default=Path("var/cloud/series"), description="Folder of the SQLite series store.")
    influx_url: str = Field(default="http://127.0.0.1:8086", description="InfluxDB 2 server (with SERIES=influxdb).")
    influx_token: SecretStr = Field(default=SecretStr(""), description="InfluxDB API token that may create buckets.")
    influx_org: str = Field(default="lentera", description="InfluxDB organisation.")
    secret_file: Path = Field(
        default=Path("var/cloud/secret"),
        description="File with the service's own secret, which signs nonces; made at first start, readable by its "
        "owner only. Every replica needs the same.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    log_level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error.")
    worker_in_process: bool = Field(
        default=True, description="Do background jobs in the API process; else run `lentera cloud work` beside it."
    )
    ingest_budget_bytes: int = Field(
        default=64 << 20,
        ge=1 << 20,
        description="Bytes of batches that may wait for the store before the cloud stops reading from its links.",
    )
    max_links: int = Field(
        default=5_000,
        ge=1,
        le=15_000,
        description="Links that one process holds; who comes beyond is answered 503 and when to come again.",
    )
    links_opening: int = Field(
        default=200,
        ge=1,
        le=5_000,
        description="Links on their way from the request to the answered Hello at the same time; who comes beyond is "
        "answered 503 with a moment of its own to come again.",
    )
    batch_posts: int = Field(
        default=32,
        ge=1,
        le=1_000,
        description="Posted batches under way at the same time; one more is answered 503 before its body is read.",
    )
    api_requests: int = Field(
        default=500,
        ge=10,
        le=10_000,
        description="Other requests under way at the same time, those that wait for a command among them; one more is "
        "answered 503 at once.",
    )
    replica_lease_s: int = Field(
        default=15,
        ge=3,
        le=300,
        description="Of several replicas on one PostgreSQL: the links of one that was killed count as gone after this "
        "time. Every replica writes to the registry three times in it.",
    )
    future_tolerance_s: int = Field(
        default=300, ge=1, le=86_400, description="How far ahead of the cloud's clock a reading may be stamped."
    )

    @field_validator("registry_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        scheme = url.split(":", 1)[0]
        if scheme not in REGISTRY_SCHEMES:
            raise ValueError(f"{scheme!r} is not served: begin the address with {' or '.join(REGISTRY_SCHEMES)}://")
        return url

    @model_validator(mode="after")
    def _influx_needs_a_token(self) -> Self:
        if self.series is SeriesKind.INFLUXDB and not self.influx_token.get_secret_value():
            raise ValueError("LENTERA_SERIES=influxdb needs LENTERA_INFLUX_TOKEN")
        return self
