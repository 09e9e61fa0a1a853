"""Values that were found to stand for no value in this index, and traits without them."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from .addresses import Address
from .names import Name
from .traits import Traits

#: What may be a placeholder, and what it is called.
FIELDS = {
    "ssn": "Social security number",
    "birth": "Birth date",
    "name": "Name",
    "phone": "Telephone",
    "email": "Mail address",
    "address": "Address",
}


class Learnt(Struct, frozen=True):
    """The values that are not believed here, beside those that come along: a number of nine digits, a date
    YYYY-MM-DD, "given family", a telephone number, a mail address, an address in one line."""

    ssn: frozenset[str] = frozenset()
    birth: frozenset[str] = frozenset()
    name: frozenset[str] = frozenset()
    phone: frozenset[str] = frozenset()
    email: frozenset[str] = frozenset()
    address: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return any((self.ssn, self.birth, self.name, self.phone, self.email, self.address))


def name_value(name: Name) -> str:
    """A name as a value: "given family", folded."""
    return f"{name.given} {name.family}"


def address_value(address: Address) -> str:
    """An address as a value: its number, street, unit, city and postal code in one line."""
    parts = (address.number, address.street, address.unit, address.city, address.postal)
    return " ".join(part for part in parts if part)


def believed(traits: Traits, learnt: Learnt) -> Traits:
    """The traits without what is not believed; the same ones where there is nothing of it."""
    if not learnt:
        return traits
    found = replace(
        traits,
        ssn="" if traits.ssn in learnt.ssn else traits.ssn,
        birth="" if traits.birth in learnt.birth else traits.birth,
        names=tuple(name for name in traits.names if name_value(name) not in learnt.name),
        phones=tuple(phone for phone in traits.phones if phone not in learnt.phone),
        emails=tuple(email for email in traits.emails if email not in learnt.email),
        addresses=tuple(each for each in traits.addresses if address_value(each) not in learnt.address),
    )
    return traits if found == traits else found
