"""Printers that call in, their codes and their members: to column values and back. One pair per table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from gateway.domain.call_in import CallIn, CodeKind, PrinterRole, RegistrationCode
from gateway.store.rows import Values
from gateway.store.schema import call_in, printer_role, registration_code


def call_in_values(given: CallIn) -> Values:
    """All columns of `call_in`."""
    return {column.name: getattr(given, column.name) for column in call_in.columns}


def call_in_from(row: Row[Any]) -> CallIn:
    """A row of `call_in`."""
    return CallIn(**row._mapping)


def code_values(given: RegistrationCode) -> Values:
    """All columns of `registration_code`."""
    values: Values = {column.name: getattr(given, column.name) for column in registration_code.columns}
    return values | {"kind": given.kind.value}


def code_from(row: Row[Any]) -> RegistrationCode:
    """A row of `registration_code`."""
    values = dict(row._mapping)
    return RegistrationCode(kind=CodeKind(values.pop("kind")), **values)


def role_values(given: PrinterRole) -> Values:
    """All columns of `printer_role`."""
    return {column.name: getattr(given, column.name) for column in printer_role.columns}


def role_from(row: Row[Any]) -> PrinterRole:
    """A row of `printer_role`."""
    return PrinterRole(**row._mapping)
