"""Series in InfluxDB 2: a bucket a tenant, one measurement, one tag; docs/formats/influxdb.md is the schema's page."""

from lentera_cloud.adapters.influx_series.store import InfluxSeries

__all__ = ["InfluxSeries"]
