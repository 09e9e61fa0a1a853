"""Which column of somebody's file holds what: usual names of columns, and what a person says instead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .contents import TOLD_BY_VALUES, share_of

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
        "nombre nombres firstnm fstname namefirst namegiven nameg fn christianname voornaam fornamn fnamec1 "
        "imie imiona nome nomes jmeno ad adi krestnijmeno etunimi firstnames1 primernombre prenoms rufname "
        "voornamen "
        "nombrepila nombredepila prenomusuel prefname preferredfirstname preffirstname"
    ),
    "middle": (
        "middle middlename middlenames middleinitial middleinit mname mi minitial secondname middlenm "
        "namemiddle midl midlname middlenameinitial initial midname fnamec2 segundonombre drugieimie "
        "tussenvoegsel zweitername"
    ),
    "family": (
        "family familyname last lastname lastnames lname surname surnames sname nachname familienname nom "
        "nomdefamille apellido apellidos lastnm namelast namefamily ln secondsurname achternaam efternamn "
        "currentsurname lnamec1 nazwisko cognome sobrenome apelido prijmeni sukunimi etternavn efternavn soyad "
        "soyadi "
        "apellidopaterno primerapellido apellido1 paterno nomfamille "
        "famname familiennamen nombrefamilia"
    ),
    "suffix": (
        "suffix namesuffix namesufx suffixname generation namesuffixlbl sufx suffixlbl gensuffix generationalsuffix"
    ),
    "name": (
        "name fullname personname patientname completename wholename legalname displayname nombrecompleto "
        "nomcomplet nomprenom vollstandigername nomecompleto "
        "namefull nombreyapellidos partyname customername"
    ),
    "maiden": (
        "maiden maidenname birthname birthsurname formername formersurname previoussurname previousname "
        "previouslastname formerlastname othername aliaslastname geburtsname nameatbirth marriedname "
        "nomnaissance nomdenaissance nomjeunefille nomdejeunefille rodnaprijmeni nazwiskorodowe"
    ),
    "birth": (
        "dob birth birthdate dateofbirth dateofbirthdob birthdt dtbirth dobirth bdate birthday datebirth "
        "dobdate geburtsdatum datenaissance datedenaissance fechanacimiento fechadenacimiento dateborn born "
        "birthdte dataurodzenia datanascita datadinascita datanascimento datadenascimento datumnarozeni "
        "geboortedatum fodselsdato fodselsdatum fodelsedatum naissance nascita nacimiento geburtstag geburt "
        "geboren fnacimiento fecnac fechanac dogumtarihi "
        "birthdatetime gebdatum gebdat syntymaaika dtnasc datanasc fodt dataur datenaiss datenais dobstr"
    ),
    "birth_year": (
        "birthyear yearofbirth yob byear dobyear birthyr dobyr yearbirth dobyyyy by birthyyyy yrbirth "
        "geburtsjahr anneenaissance anodenacimiento annonascita rokurodzenia yrofbirth birthyyyy4 yeardob"
    ),
    "birth_month": (
        "birthmonth monthofbirth mob bmonth dobmonth birthmon dobmon monthbirth dobmm bm geburtsmonat "
        "moisnaissance mesnacimiento monthdob"
    ),
    "birth_day": (
        "birthday1 dayofbirth bday dobday birthdaynum daybirth dobdd birthdy dobdy bd birthdayofmonth "
        "geburtstagtag journaissance dianacimiento daydob"
    ),
    "age": (
        "age ageyears ageinyears patientage agey ageatregistration edad alter idade eta wiek ageyrs ageatvisit"
    ),
    "year": "year censusyear recordyear surveyyear fileyear datayear snapshotyear",
    "sex": (
        "sex gender gendercode sexcode gendercd sexcd administrativegender geschlecht sexe sexo biologicalsex "
        "sx birthsex sexatbirth plec sesso genero genre pohlavi geslacht kjonn kon sukupuoli anrede cinsiyet "
        "genderidentity geschl sexobiologico codsexo"
    ),
    "ssn": (
        "ssn socsecid socialsecuritynumber socialsecurity socialsecurityno socsec ssnumber ssno ss socsecno "
        "nationalid nationalidentifier nationalnumber nhsnumber nhsno nhs nino nationalinsurancenumber "
        "medicare medicarenumber itin sin healthcardnumber healthcard personnummer nationalidnumber ssnitin "
        "ssntaxid taxid socsecnum curp codicefiscale cpf dni pesel rodnecislo bsn aadhaar aadhaarnumber nir "
        "tin sinnumber securitesociale numerosecuritesociale ahvnummer medicareno ihi "
        "ssnlast4 ssn4 last4ssn last4ofssn lastfourssn ssnlastfour nif nie dninie cedula rut rfc cpr "
        "cprnr fodselsnummer personnr hetu tckimlikno steuerid svnr numss identitynumber nationalidno "
        "nric hkid"
    ),
    "mrn": (
        "mrn mrnid medicalrecordnumber medrecno medicalrecordno medrecnum hospitalnumber chartnumber chartno "
        "medicalrecord mrnumber mrno unitnumber"
    ),
    "number": (
        "number no nr streetnumber streetno housenumber houseno housenum streetnum stno stnum addressnumber "
        "addrnumber buildingnumber addrno hausnummer civicnumber strnumber resstreetnumber hausnr hausnummern "
        "housenr streetnr numero numeroexterior nrdomu huisnummer civico numerocivico"
    ),
    "street": (
        "street streetname address1 address2 address3 addr1 addr2 addr3 addressline1 addressline2 "
        "addressline3 addrline1 addrline2 streetaddress streetaddress1 streetaddress2 line1 line2 adr1 adr2 "
        "add1 add2 strasse rue calle streetline street1 street2 addressstreet addrstreet residentialaddress1 "
        "physicaladdress1 homeaddress1 addressl1 addressl2 streetnm mailingaddress1 streetaddressline1 "
        "streetaddressline2 roadname road thoroughfare strassenname via ulica rua straat domicilio street3 "
        "lineone linetwo addressline4 "
        "nomrue direccioncalle strassenr calleynumero"
    ),
    "unit": (
        "unit unitno apartment apt aptno apartmentnumber apartmentno unitdesignation suite flat flatnumber "
        "aptnumber aptnum unitid secondaryunit"
    ),
    "address": (
        "address addr fulladdress homeaddress residentialaddress mailingaddress postaladdress physicaladdress "
        "residence adresse direccion addressfull addressline currentaddress residenceaddress addresstext "
        "indirizzo endereco anschrift adres morada domicile direccioncompleta"
    ),
    "city": (
        "city suburb town cityname citytown locality municipality rescity rescitydesc addresscity addrcity "
        "place ville ciudad ort wohnort village postaltown homecity mailingcity townorcity citynm placename "
        "wohnsitz citta cidade miasto mesto plaats woonplaats municipio colonia localidad gemeinde commune "
        "poblacion ortschaft stadt comune localidade localita sehir "
        "towncity posttown townname municipioresidencia"
    ),
    "state": (
        "state st province stateprovince statecode statecd stateabbr stateabbreviation region county "
        "addressstate addrstate territory homestate stateorprovince mailingstate usstate bundesland statename "
        "stateterritory estado provincia kanton departement wojewodztwo kraj statedesc "
        "stateabbrev prov comunidadautonoma countyname"
    ),
    "postal": (
        "zip zipcode postcode postalcode zip5 plz zipcd zipc codepostal postal postcd pcode addresszip "
        "addrzip zippostal homezip mailingzip postzip zippostalcode codigopostal pc postalzip mailingzipcode "
        "zip9 addresspostal addresspostalcode pincode pin zipcode5 codpostal codicepostale cap cep "
        "kodpocztowy psc postakodu postleitzahl postnr postnummer zipcode4 postcode1 cp"
    ),
    "phone": (
        "phone phonenumber telephone telephonenumber phoneno homephone mobile mobilephone cell cellphone tel "
        "phone1 phone2 phonenum fullphonenum workphone contactnumber phonehome phonemobile telno fullphonenumber "
        "telefon "
        "contactphone mobilenumber cellnumber homephonenumber primaryphone mobileno phonework telefono "
        "dayphone numerotelefono telefonnummer handy movil celular cellulare telefone telefonica komorka "
        "portable telnr telefoonnummer telnumber mobilno "
        "cellphonenumber telefonomovil telefonofijo contacttelephone contacttel contactphonenumber "
        "landline worktelephone worktel daytimephone mobiletelephone mobiletel telephon handynummer "
        "telephoneportable telephonefixe cellularphone"
    ),
    "email": (
        "email emailaddress mail mailaddress emailaddr emailid electronicmail email1 email2 primaryemail "
        "correo correoelectronico courriel epost emailadresse "
        "contactemail correoe"
    ),
    "mother": (
        "mothersmaidenname mothermaidenname mothersmaiden mothermaiden mmn mothersname mothername "
        "mothersurname motherslastname maidennameofmother motherlastname motherfamily mothersbirthname "
        "motherssurname apellidomaterno segundoapellido apellido2 materno mothersfamilyname "
        "nombremadre"
    ),
    "order": "birthorder multiplebirthorder twinorder birthordernumber multiplebirth",
}
_BY_NAME = {name: field for field, names in _NAMES.items() for name in names.split()}
#: Words as they are shortened in the names of columns.
_SHORTENED = {
    "fst": "first", "frst": "first", "lst": "last", "mid": "middle", "nm": "name", "nme": "name", "brth": "birth",
    "bth": "birth", "dte": "date", "dt": "date", "yr": "year", "addr": "address", "adr": "address", "ln": "line",
    "str": "street", "hse": "house", "ph": "phone", "phn": "phone", "tel": "telephone", "num": "number",
    "nbr": "number", "no": "number", "prev": "previous", "prim": "primer", "seg": "segundo", "one": "1", "two": "2",
}  # fmt: skip
#: Names of columns in other scripts, without spaces.
_OTHER_SCRIPTS = {
    "имя": "given", "отчество": "middle", "фамилия": "family", "фио": "name", "датарождения": "birth", "пол": "sex",
    "адрес": "address", "улица": "street", "дом": "number", "город": "city", "индекс": "postal", "телефон": "phone",
    "ім'я": "given", "прізвище": "family", "όνομα": "given", "επώνυμο": "family", "ημερομηνίαγέννησης": "birth",
    "名": "given", "姓": "family", "姓名": "name", "氏名": "name", "出生日期": "birth", "生年月日": "birth",
    "性别": "sex", "性別": "sex", "地址": "address", "住所": "address", "城市": "city", "邮编": "postal",
    "电话": "phone", "電話番号": "phone",
}  # fmt: skip
#: Words set before or after the name of a column that say nothing of what it holds.
_AROUND = (
    "patient", "patients", "person", "persons", "pat", "pt", "member", "client", "subject", "customer", "voter",
    "demographic", "demographics", "demo", "record", "rec", "current", "cur", "primary", "legal", "home", "res",
    "residential", "mailing", "raw", "clean", "std", "std1", "orig", "original", "value", "val", "txt", "text",
    "str",
    "a", "b", "l", "r", "left", "right", "1", "01", "reported", "individual", "employee", "applicant", "registrant",
    "simulant", "respondent", "usual", "fake", "c", "cd", "nbr", "nm", "dt", "desc", "lbl", "field", "col", "fld",
    "norm",
)  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


_LETTERS = str.maketrans(
    {"ø": "o", "Ø": "O", "đ": "d", "ł": "l", "Ł": "L", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)
#: So many rows are looked at to find out what a column holds.
_LOOKED_AT = 2_000
#: Names that mean a field only where no other column does.
_VAGUE = {"no", "nr", "number", "pc", "by", "ss", "fn", "ln", "place", "birth"}
#: "St" is a state where its values are so short, else a street.
_SHORT, _LONGEST_STATE = {"st", "ST", "St"}, 4
#: Dates that are not of birth.
_OTHER_DATES = {
    "death", "died", "dod", "deceased", "admission", "admit", "admitted", "discharge", "visit", "update", "updated",
    "modified", "created", "registered", "registration", "load", "loaded", "extract", "entry", "service", "start",
    "end", "from", "to", "effective", "expiry", "expiration", "last", "first", "seen", "encounter", "event",
    "timestamp", "time", "changed", "snapshot", "file", "report", "hire", "marriage",
}  # fmt: skip


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
    header: Sequence[str],
    *,
    apart: Sequence[str] = (),
    said: Mapping[str, Sequence[str]] | None = None,
    sample: Sequence[Sequence[str]] = (),
) -> Columns:
    """Find out what the columns hold. ``apart`` are columns that hold none of it (truth, source); ``said`` maps a
    field to its columns and goes before what their names suggest; a field said to have no column has none. What no
    name tells may be told by the values of ``sample``, some rows of the file.

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
    # "No" beside "Hausnr" numbers the rows: what may mean anything is asked last.
    for place, name in sorted(enumerate(header), key=lambda each: each[1].strip().lower() in _VAGUE):
        field = field_of(name)
        if field == "state" and any(
            len(row[place]) > _LONGEST_STATE for row in sample[:_LOOKED_AT] if name in _SHORT
        ):
            field = "street"
        if place in taken or not field or field in said:
            continue
        if field in of and field not in _SEVERAL:
            continue
        of.setdefault(field, []).append(place)
        taken.add(place)
    _by_values(header, sample, of, taken, said)
    _settle(of, header)
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
    if field := _OTHER_SCRIPTS.get("".join(letter for letter in name.lower() if letter not in " _-.")):
        return field
    words = [word.lower() for word in _WORDS.findall(_plain(name))]
    while words:
        if field := _BY_NAME.get("".join(words)):
            return field
        if field := _BY_NAME.get("".join(_SHORTENED.get(word, word) for word in words)):
            return field
        if words[-1] in _AROUND:
            words.pop()
        elif words[0] in _AROUND:
            words.pop(0)
        else:
            return ""
    return ""


def _plain(name: str) -> str:
    """A column's name in ASCII letters, its capitals kept."""
    if name.isascii():
        return name
    parted = unicodedata.normalize("NFKD", name.replace("ß", "ss").translate(_LETTERS))
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


def _by_values(
    header: Sequence[str],
    sample: Sequence[Sequence[str]],
    of: dict[str, list[int]],
    taken: set[int],
    said: Mapping[str, Sequence[str]],
) -> None:
    """Give columns whose names do not tell to fields that have none yet, where nearly all their values tell."""
    alone = not of.get("name")
    for field in TOLD_BY_VALUES:
        if of.get(field) or field in said or (field in {"given", "family", "name"} and not alone):
            continue
        if field == "birth" and of.get("birth_year"):
            continue
        if field == "name" and (of.get("given") or of.get("family")):
            continue
        shares = {
            place: share
            for place, name in enumerate(header)
            if place not in taken and not _says_otherwise(field, name)
            if (share := share_of(field, [row[place] for row in sample[:_LOOKED_AT] if row[place]]))
        }
        if shares:
            best = max(shares, key=lambda place: shares[place])
            of[field] = [best]
            taken.add(best)


def _says_otherwise(field: str, name: str) -> bool:
    words = {word.lower() for word in _WORDS.findall(_plain(name))}
    return field == "birth" and not words.isdisjoint(_OTHER_DATES)


def _settle(of: dict[str, list[int]], header: Sequence[str]) -> None:
    """Names that mean one thing alone and another beside others."""
    if of.get("name") and of.get("family") and not of.get("given"):
        of["given"] = of.pop("name")
    elif (of.get("family") or of.get("given")) and not (
        of.get("family") and of.get("given") and not of.get("middle")
    ):
        # Beside first and last name a whole name is there for the middle ones only.
        of.pop("name", None)
    if of.get("address") and of.get("street"):
        # "address" beside "address_2" is its first line.
        of["street"] = [*of.pop("address"), *of["street"]]
    if of.get("number") and not (of.get("street") or of.get("address")):
        of.pop("number")
    if of.get("birth_year") and of.get("birth_month") and of.get("birth") and not of.get("birth_day"):
        name = "".join(_WORDS.findall(header[of["birth"][0]])).lower()
        if name.endswith("day"):
            # "birthday" beside year and month is the day of the month.
            of["birth_day"] = of.pop("birth")
    if of.get("birth_year") or not of.get("birth_day"):
        return
    if not of.get("birth"):
        of["birth"] = of.pop("birth_day")
