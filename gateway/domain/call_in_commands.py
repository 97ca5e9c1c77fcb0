"""Commands about printers that call in, and about who may use a printer. As in `commands`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContactFirst:
    """An unknown printer calls: it gets a number and a code. Result: Contact."""

    type_id: str
    firmware: str
    serial_number: str
    token_sha256: str  # of the token that the caller made


@dataclass(frozen=True, slots=True)
class ContactAgain:
    """A known printer asks for a code again. Result: Contact."""

    printer_id: int
    firmware: str


@dataclass(frozen=True, slots=True)
class RegisterPrinter:
    """A member types in a code: its printer's owner from now on, or its member. Result: Printer."""

    member_id: str
    code: str
    printer_name: str | None = None
    secondary_member_id: str | None = None  # registered as a member of the printer at once


@dataclass(frozen=True, slots=True)
class UnregisterPrinter:
    """The owner gives a printer up: disabled, its members forgotten, free for anybody. Result: Printer."""

    printer_id: int
    member_id: str


@dataclass(frozen=True, slots=True)
class RemovePrinterMember:
    """A member leaves a printer, or is removed from it. Result: None."""

    printer_id: int
    member_id: str


@dataclass(frozen=True, slots=True)
class InviteToPrinter:
    """A code that makes whoever types it in a member of the printer. Result: RegistrationCode."""

    printer_id: int
    email: str | None


@dataclass(frozen=True, slots=True)
class SetPrinterRole:
    """What a member of a printer may do. Result: PrinterRole."""

    printer_id: int
    member_id: str
    is_printer_scoped: bool
    is_job_scoped: bool


CallInCommand = (
    ContactFirst
    | ContactAgain
    | RegisterPrinter
    | UnregisterPrinter
    | RemovePrinterMember
    | InviteToPrinter
    | SetPrinterRole
)
