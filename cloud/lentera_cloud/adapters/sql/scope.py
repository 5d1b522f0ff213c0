"""The only way to query a tenant's rows: every statement built here is bound to one tenant.

Code of this package that queries round these helpers fails a test, unless the line carries ``# any tenant: why``
(identity look-ups and the background worker do).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Delete, Select, Table, Update, delete, func, select, update
from sqlalchemy.sql.elements import ColumnElement


def rows_of(tenant: str, table: Table, *where: ColumnElement[bool]) -> Select[Any]:
    """Select all columns of the tenant's rows of a table."""
    return select(table).where(table.c.tenant == tenant, *where)  # any tenant: this is the helper that scopes


def number_of(tenant: str, table: Table, *by: Column[Any]) -> Select[Any]:
    """Count the tenant's rows of a table (``number``) for each value of these columns, in their order."""
    counted = select(*by, func.count().label("number"))  # any tenant: this is the helper that scopes
    return counted.where(table.c.tenant == tenant).group_by(*by).order_by(*by)


def sums_of(tenant: str, table: Table, by: Sequence[Column[Any]], *sums: ColumnElement[Any]) -> Select[Any]:
    """Select sums over the tenant's rows of a table for each value of the columns ``by``."""
    summed = select(*by, *sums)  # any tenant: this is the helper that scopes
    return summed.where(table.c.tenant == tenant).group_by(*by).order_by(*by)


def change_of(tenant: str, table: Table, *where: ColumnElement[bool]) -> Update:
    """Update the tenant's rows of a table."""
    return update(table).where(table.c.tenant == tenant, *where)  # any tenant: this is the helper that scopes


def removal_of(tenant: str, table: Table, *where: ColumnElement[bool]) -> Delete:
    """Delete the tenant's rows of a table."""
    return delete(table).where(table.c.tenant == tenant, *where)  # any tenant: this is the helper that scopes
