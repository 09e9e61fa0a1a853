"""Which column of somebody's file holds what: usual names of columns, and what a person says instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: What a column may hold, in words for the help of the command line.
FIELDS: dict[str, str] = {
    "given": "first name",
    "middle": "middle name or initial",
    "family": "last name",
    "suffix": "Jr, Sr, III",
    "name": "the whole name in one column",
    "maiden": "a former family name",
    "birth": "date of birth in any usual form",
    "birth_year": "year of birth",
    "birth_month": "month of birth",
    "birth_day": "day of birth",
    "age": "age in years",
    "year": "the year the row was written, beside an age",
    "sex": "sex or gender",
    "ssn": "social security or other national number",
    "mrn": "record number",
    "number": "house number",
    "street": "street, or a line of the address",
    "unit": "apartment",
    "address": "the whole address in one column",
    "city": "city or suburb",
    "state": "state, province or county",
    "postal": "postal code",
    "phone": "telephone",
    "email": "mail address",
    "mother": "mother's maiden name",
    "order": "birth order of twins",
}
#: Fields that several columns may hold.
_SEVERAL = {"street", "phone", "email", "mrn", "maiden"}

_NAMES: dict[str, str] = {
    "given": (
        "given givenname givennames first firstname firstnames fname forename forenames gname vorname prenom "
        "nombre nombres firstnm fstname namefirst namegiven nameg fn christianname voornaam fornamn fnamec1"
    ),
    "middle": (
        "middle middlename middlenames middleinitial middleinit mname mi minitial secondname middlenm "
        "namemiddle midl midlname middlenameinitial initial midname fnamec2"
    ),
    "family": (
        "family familyname last lastname lastnames lname surname surnames sname nachname familienname nom "
        "nomdefamille apellido apellidos lastnm namelast namefamily ln secondsurname achternaam efternamn "
        "currentsurname lnamec1"
    ),
    "suffix": "suffix namesuffix suffixname generation namesuffixlbl sufx suffixlbl gensuffix",
    "name": "name fullname personname patientname completename wholename legalname displayname",
    "maiden": (
        "maiden maidenname birthname birthsurname formername formersurname previoussurname previousname "
        "previouslastname formerlastname othername aliaslastname geburtsname nameatbirth marriedname"
    ),
    "birth": (
        "dob birth birthdate dateofbirth dateofbirthdob birthdt dtbirth dobirth bdate birthday datebirth "
        "dobdate geburtsdatum datenaissance datedenaissance fechanacimiento fechadenacimiento dateborn born "
        "birthdte"
    ),
    "birth_year": "birthyear yearofbirth yob byear dobyear birthyr dobyr yearbirth dobyyyy by birthyyyy yrbirth",
    "birth_month": "birthmonth monthofbirth mob bmonth dobmonth birthmon dobmon monthbirth dobmm bm",
    "birth_day": "birthday1 dayofbirth bday dobday birthdaynum daybirth dobdd birthdy dobdy bd birthdayofmonth",
    "age": "age ageyears ageinyears patientage agey ageatregistration",
    "year": "year censusyear recordyear surveyyear fileyear datayear snapshotyear",
    "sex": (
        "sex gender gendercode sexcode gendercd sexcd administrativegender geschlecht sexe sexo biologicalsex "
        "sx birthsex sexatbirth"
    ),
    "ssn": (
        "ssn socsecid socialsecuritynumber socialsecurity socialsecurityno socsec ssnumber ssno ss socsecno "
        "nationalid nationalidentifier nationalnumber nhsnumber nhsno nhs nino nationalinsurancenumber "
        "medicare medicarenumber itin sin healthcardnumber healthcard personnummer nationalidnumber ssnitin "
        "ssntaxid taxid socsecnum"
    ),
    "mrn": (
        "mrn medicalrecordnumber medrecno medicalrecordno medrecnum hospitalnumber chartnumber chartno "
        "medicalrecord mrnumber mrno unitnumber"
    ),
    "number": (
        "number no nr streetnumber streetno housenumber houseno housenum streetnum stno stnum addressnumber "
        "addrnumber buildingnumber addrno hausnummer civicnumber strnumber resstreetnumber"
    ),
    "street": (
        "street streetname address1 address2 address3 addr1 addr2 addr3 addressline1 addressline2 "
        "addressline3 addrline1 addrline2 streetaddress streetaddress1 streetaddress2 line1 line2 adr1 adr2 "
        "add1 add2 strasse rue calle streetline street1 street2 addressstreet addrstreet residentialaddress1 "
        "physicaladdress1 homeaddress1 addressl1 addressl2 streetnm mailingaddress1 streetaddressline1 "
        "streetaddressline2 roadname road thoroughfare"
    ),
    "unit": (
        "unit unitno apartment apt aptno apartmentnumber apartmentno unitdesignation suite flat flatnumber "
        "aptnumber aptnum unitid secondaryunit"
    ),
    "address": (
        "address addr fulladdress homeaddress residentialaddress mailingaddress postaladdress physicaladdress "
        "residence adresse direccion addressfull addressline currentaddress residenceaddress addresstext"
    ),
    "city": (
        "city suburb town cityname citytown locality municipality rescity rescitydesc addresscity addrcity "
        "place ville ciudad ort wohnort village postaltown homecity mailingcity townorcity citynm placename"
    ),
    "state": (
        "state province stateprovince statecode statecd stateabbr stateabbreviation region county "
        "addressstate addrstate territory homestate stateorprovince mailingstate usstate bundesland statename "
        "stateterritory"
    ),
    "postal": (
        "zip zipcode postcode postalcode zip5 plz zipcd zipc codepostal postal postcd pcode addresszip "
        "addrzip zippostal homezip mailingzip postzip zippostalcode codigopostal pc postalzip mailingzipcode "
        "zip9 addresspostal addresspostalcode"
    ),
    "phone": (
        "phone phonenumber telephone telephonenumber phoneno homephone mobile mobilephone cell cellphone tel "
        "phone1 phone2 phonenum workphone contactnumber phonehome phonemobile telno fullphonenumber telefon "
        "contactphone mobilenumber cellnumber homephonenumber primaryphone mobileno phonework telefono "
        "dayphone"
    ),
    "email": "email emailaddress mail mailaddress emailaddr emailid electronicmail email1 email2 primaryemail",
    "mother": (
        "mothersmaidenname mothermaidenname mothersmaiden mothermaiden mmn mothersname mothername "
        "mothersurname motherslastname maidennameofmother motherlastname motherfamily mothersbirthname "
        "motherssurname"
    ),
    "order": "birthorder multiplebirthorder twinorder birthordernumber multiplebirth",
}
_BY_NAME = {name: field for field, names in _NAMES.items() for name in names.split()}
#: Words set before or after the name of a column that say nothing of what it holds.
_AROUND = (
    "patient", "patients", "person", "persons", "pat", "pt", "member", "client", "subject", "customer", "voter",
    "demographic", "demographics", "demo", "record", "rec", "current", "cur", "primary", "legal", "home", "res",
    "residential", "mailing", "raw", "clean", "std", "std1", "orig", "original", "value", "val", "txt", "text",
    "str",
    "a", "b", "l", "r", "left", "right", "1", "01", "reported", "individual", "employee", "applicant", "registrant",
    "simulant", "respondent", "usual",
)  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class ColumnError(ValueError):
    """A column is named that is not there, or what was said of columns cannot be; the message says which."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands: the places of its columns in a row. ``unused`` are the names of the others."""

    of: Mapping[str, tuple[int, ...]]
    unused: tuple[str, ...]

    def first(self, field: str) -> int | None:
        """The place of the first column of a field; None where no column holds it."""
        places = self.of.get(field)
        return places[0] if places else None


def recognize(
    header: Sequence[str], *, apart: Sequence[str] = (), said: Mapping[str, Sequence[str]] | None = None
) -> Columns:
    """Find out what the columns hold. ``apart`` are columns that hold none of it (truth, source); ``said`` maps a
    field to its columns and goes before what their names suggest; a field said to have no column has none.

    Raises ColumnError where a column is named that is not there, or a field nobody knows.
    """
    said = dict(said or {})
    for field, names in said.items():
        if field not in FIELDS:
            raise ColumnError(f"{field!r} is no field; known are {', '.join(FIELDS)}.")
        if len(names) > 1 and field not in _SEVERAL:
            raise ColumnError(f"{field} can have one column, not {len(names)}.")
        for name in names:
            place_of(header, name)
    taken = {place_of(header, name) for name in apart}
    of: dict[str, list[int]] = {}
    for field, names in said.items():
        of[field] = [place_of(header, name) for name in names]
        taken.update(of[field])
    for place, name in enumerate(header):
        field = field_of(name)
        if place in taken or not field or field in said:
            continue
        if field in of and field not in _SEVERAL:
            continue
        of.setdefault(field, []).append(place)
        taken.add(place)
    _settle(of)
    unused = tuple(name for place, name in enumerate(header) if place not in taken)
    if not any(of.get(field) for field in FIELDS if field not in {"age", "year", "sex", "state"}):
        raise ColumnError(
            "No column could be recognized as a name, a birth date, a number or an address. The file has"
            f" {', '.join(header)}. Say what they hold: --map given=COLUMN --map family=COLUMN."
        )
    return Columns({field: tuple(places) for field, places in of.items() if places}, unused)


def place_of(header: Sequence[str], name: str) -> int:
    """The place of a column by its name, without regard to capitals where that is unambiguous. Raises
    ColumnError."""
    if name in header:
        return list(header).index(name)
    alike = [place for place, column in enumerate(header) if column.strip().lower() == name.strip().lower()]
    if len(alike) == 1:
        return alike[0]
    raise ColumnError(f"There is no column {name!r}. The file has {', '.join(header)}.")


def field_of(name: str) -> str:
    """What a column of this name usually holds; empty where its name does not tell."""
    words = [word.lower() for word in _WORDS.findall(name)]
    while words:
        if field := _BY_NAME.get("".join(words)):
            return field
        if words[-1] in _AROUND:
            words.pop()
        elif words[0] in _AROUND:
            words.pop(0)
        else:
            return ""
    return ""


def _settle(of: dict[str, list[int]]) -> None:
    """Names that mean one thing alone and another beside others."""
    if of.get("name") and of.get("family") and not of.get("given"):
        of["given"] = of.pop("name")
    elif of.get("name") and (of.get("family") or of.get("given")):
        of.pop("name")
    if of.get("address") and of.get("street"):
        # "address" beside "address_2" is its first line.
        of["street"] = [*of.pop("address"), *of["street"]]
    if of.get("number") and not (of.get("street") or of.get("address")):
        of.pop("number")
    if of.get("birth_year") or not of.get("birth_day"):
        return
    if not of.get("birth"):
        of["birth"] = of.pop("birth_day")
