"""Who and what there is: printers of the configuration, members, keys, files. Commands, as in `asking`."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain import subjects
from gateway.domain.call_in import CALL_IN_DRIVER
from gateway.domain.commands import (
    AddFile,
    AddKey,
    AddMember,
    AddOrganization,
    CommandRefused,
    ConfigurePrinters,
    PrinterSetting,
    Refusal,
    RevokeKey,
)
from gateway.domain.events import (
    FileAdded,
    KeyCreated,
    KeyRevoked,
    MemberAdded,
    OrganizationAdded,
    PrinterConfigured,
)
from gateway.domain.file import StoredFile
from gateway.domain.member import HOME_ORGANIZATION_ID, Key, Member, Organization
from gateway.domain.printer import Plate, Printer
from gateway.domain.stacking import ensure
from gateway.domain.state import Draft


def configure(draft: Draft, asked: ConfigurePrinters) -> None:
    """Upsert by name; what is gone from the configuration is disabled, never deleted."""
    by_name = {
        printer.name: printer for printer in draft.printers.values() if printer.driver != CALL_IN_DRIVER
    }
    for setting in asked.printers:
        _configure_one(draft, setting, by_name.pop(setting.name, None))
    for gone in by_name.values():
        if gone.enabled:
            _tell_configured(draft, draft.put_printer(replace(gone, enabled=False)))


def next_printer_id(draft: Draft) -> int:
    """Printers of the configuration and those that call in are numbered together."""
    return max(max(draft.printers, default=0), max(draft.call_ins, default=0)) + 1


def _configure_one(draft: Draft, setting: PrinterSetting, known: Printer | None) -> None:
    owner = _owner(draft, setting.owner)
    wanted = Printer(
        printer_id=known.printer_id if known else next_printer_id(draft),
        name=setting.name,
        driver=setting.driver,
        owner_id=owner.member_id,
        organization_id=owner.organization_id,
        plate=known.plate if known else Plate.OCCUPIED,
        plate_clear=setting.plate_clear,
        enabled=True,
        link=setting.link,
        version=known.version if known else 1,
    )
    draft.heat_limits[wanted.printer_id] = setting.heat_limits
    if wanted != known:
        _tell_configured(draft, draft.put_printer(wanted))


def _owner(draft: Draft, name: str) -> Member:
    """The member with that name; an unknown one is added, without credentials."""
    found = next((member for member in draft.members.values() if member.name == name), None)
    if found is not None:
        return found
    member = Member(
        member_id=draft.moment.new_member_id(),
        name=name,
        organization_id=HOME_ORGANIZATION_ID,
        created_at=draft.moment.wall,
    )
    return add_member(draft, AddMember(member))


def _tell_configured(draft: Draft, printer: Printer) -> None:
    draft.events.append(
        PrinterConfigured(
            **subjects.of_printer(draft, printer),
            printer=printer.shown_name,
            enabled=printer.enabled,
        )
    )


def add_member(draft: Draft, asked: AddMember) -> Member:
    """Refused when the name or the e-mail address is taken, or its organization is unknown."""
    member = asked.member
    if any(other.name == member.name for other in draft.members.values()):
        raise CommandRefused(Refusal.CONFLICT, f"there is a member named {member.name!r} already")
    if member.email and any(_same(other.email, member.email) for other in draft.members.values()):
        raise CommandRefused(Refusal.CONFLICT, f"there is a member with the e-mail {member.email!r} already")
    if member.organization_id not in draft.organizations:
        raise CommandRefused(
            Refusal.UNKNOWN, "there is no such organization; `print-gateway organizations list` shows them"
        )
    draft.members[member.member_id] = member
    draft.member_rows.append(member)
    draft.events.append(MemberAdded(**subjects.of_member(draft, member), name=member.name))
    return member


def _same(email: str | None, other: str) -> bool:
    return email is not None and email.casefold() == other.casefold()


def add_organization(draft: Draft, asked: AddOrganization) -> Organization:
    """Numbered here. Refused when the name is taken."""
    name = asked.organization.name
    if any(other.name == name for other in draft.organizations.values()):
        raise CommandRefused(Refusal.CONFLICT, f"there is an organization named {name!r} already")
    organization = replace(asked.organization, organization_id=max(draft.organizations, default=0) + 1)
    draft.organizations[organization.organization_id] = organization
    draft.organization_rows.append(organization)
    draft.events.append(
        OrganizationAdded(
            at=draft.moment.wall,
            organization_id=organization.organization_id,
            member_id=None,
            printer_id=None,
            work_id=None,
            name=name,
        )
    )
    ensure(draft, organization.organization_id)
    return organization


def add_key(draft: Draft, asked: AddKey) -> Key:
    """Refused when there is no such member."""
    member = draft.members.get(asked.key.member_id)
    if member is None:
        raise CommandRefused(
            Refusal.UNKNOWN, "there is no such member; `print-gateway members list` shows them"
        )
    draft.keys[asked.key.key_id] = draft.key_rows[asked.key.key_id] = asked.key
    draft.events.append(
        KeyCreated(**subjects.of_member(draft, member), key_id=asked.key.key_id, name=asked.key.name)
    )
    return asked.key


def revoke_key(draft: Draft, asked: RevokeKey) -> Key:
    """Revoking twice is no error."""
    key = draft.keys.get(asked.key_id)
    if key is None:
        raise CommandRefused(Refusal.UNKNOWN, "there is no such key; `print-gateway keys list` shows them")
    if key.revoked_at is not None:
        return key
    key = replace(key, revoked_at=draft.moment.wall)
    draft.keys[key.key_id] = draft.key_rows[key.key_id] = key
    member = draft.members[key.member_id]
    draft.events.append(KeyRevoked(**subjects.of_member(draft, member), key_id=key.key_id, name=key.name))
    return key


def add_file(draft: Draft, asked: AddFile) -> StoredFile:
    """Record an upload; its content is in place already."""
    file = asked.file
    draft.file_rows.append(file)
    if asked.idempotency is not None:
        draft.idempotency_rows.append((file.member_id, asked.idempotency, file.file_id))
    draft.events.append(
        FileAdded(
            at=draft.moment.wall,
            organization_id=file.organization_id,
            member_id=file.member_id,
            printer_id=None,
            work_id=None,
            file_id=file.file_id,
            name=file.name,
            size=file.size,
        )
    )
    return file
