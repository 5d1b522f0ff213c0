"""Series in SQLite: one file a tenant, a packed row an instant, closed hours compacted into compressed blocks.

The embedded store for a laptop or a small town; docs/formats/sqlite-series.md describes the file byte by byte.
"""

from lentera_cloud.adapters.sqlite_series.store import SqliteSeries

__all__ = ["SqliteSeries"]
