"""Reading a message: delimiters, escapes, null and absent, character sets, lines."""

from __future__ import annotations

import pytest

from charthouse.exchange.hl7v2.api import Hl7Error, parse

HEAD = b"MSH|^~\\&|APP|FAC|||20240101||ADT^A08|1|P|2.5"


def message(*lines: bytes) -> bytes:
    return b"\r".join((HEAD, *lines)) + b"\r"


def test_segments_fields_repetitions_components_and_subcomponents() -> None:
    read = parse(message(b"PID|1||11^^^A&1.2&ISO^MR~22^^^B^PI||Doe^Jane", b"NK1|1|A^B", b"NK1|2|C^D", b"ZPI|x^y|z"))
    pid = read.all("PID")[0]
    assert [value.get(1) for value in pid.values(3)] == ["11", "22"]
    assert pid.get(3, 4) == "A"
    assert (pid.first(3).get(4, 2), pid.first(3).get(4, 3)) == ("1.2", "ISO")
    assert pid.get(5, 2) == "Jane"
    assert pid.get(99) == "" and pid.values(99) == []
    assert [segment.label for segment in read.all("NK1")] == ["NK1[1]", "NK1[2]"]
    assert [segment.index for segment in read] == [1, 2, 3, 4, 5]
    assert read.all("ZPI")[0].text == "ZPI|x^y|z"
    assert read.first("PV1") is None


def test_msh_counts_its_separator_as_field_one() -> None:
    msh = parse(message()).msh
    assert (msh.raw(1), msh.raw(2), msh.get(3), msh.get(9, 2), msh.get(12)) == ("|", "^~\\&", "APP", "A08", "2.5")


def test_the_senders_own_delimiters() -> None:
    read = parse(b"MSH#*!/+#APP#FAC###20240101##ADT*A08#1#P#2.5\rPID#1##11***A+1.2+ISO*MR!22##O/T/B*J/S/n\r")
    pid = read.all("PID")[0]
    assert read.event == "ADT^A08"
    assert [value.get(1) for value in pid.values(3)] == ["11", "22"]
    assert pid.first(3).get(4, 2) == "1.2"
    assert (pid.get(5, 1), pid.get(5, 2)) == ("O+B", "J*n")


def test_explicit_null_is_not_absence() -> None:
    pid = parse(message(b'PID|1|""|11||Doe^""|||')).all("PID")[0]
    assert pid.is_null(2) and not pid.has(2) and pid.get(2) == "" and pid.values(2) == []
    assert not pid.is_null(4) and not pid.has(4)
    assert pid.get(5, 2) == ""


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("a\\F\\b", "a|b"),
        ("a\\S\\b\\T\\c\\R\\d\\E\\e", "a^b&c~d\\e"),
        ("\\X416263\\", "Abc"),
        ("\\XC3A4\\", "ä"),
        ("one\\.br\\two\\.sp 2\\three", "one\ntwo\n\nthree"),
        ("\\H\\bold\\N\\ plain", "bold plain"),
        ("C:\\temp\\x", "C:\\temp\\x"),
        ("lone \\ stays", "lone \\ stays"),
        ("\\Zlocal\\after", "after"),
        ("\\X00\\nul", "nul"),
    ],
)
def test_escape_sequences(sent: str, meant: str) -> None:
    obx = parse(message(b"OBX|1|ST|||" + sent.encode())).all("OBX")[0]
    assert obx.first(5).text == meant


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\r\n", b"\n\n"])
def test_any_line_end(end: bytes) -> None:
    read = parse(end.join((HEAD, b"EVN|A08", b"PID|1||7")) + end)
    assert [segment.name for segment in read] == ["MSH", "EVN", "PID"]


def test_a_line_feed_within_a_field_continues_it() -> None:
    read = parse(message(b"OBX|1|TX|||first line\nsecond | line", b"NTE|1||x"))
    assert read.all("OBX")[0].first(5).text == "first line\nsecond"
    assert [segment.name for segment in read] == ["MSH", "OBX", "NTE"]
    assert any("no segments" in warning for warning in read.warnings)


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"\x0b", b"\r\n\r\n", b"  \n", b"\x0b\xef\xbb\xbf"])
def test_what_stands_before_msh(start: bytes) -> None:
    assert parse(start + message(b"PID|1||7") + b"\x1c\r").type == "ADT"


@pytest.mark.parametrize(
    ("declared", "codec", "text"),
    [
        ("", "utf-8", "Müller"),
        ("UNICODE UTF-8", "utf-8", "Łódź 北京"),
        ("8859/1", "latin-1", "Müller"),
        ("8859/2", "iso8859-2", "Łódź"),
        ("8859/5", "iso8859-5", "Иванов"),
        ("8859/7", "iso8859-7", "Γιώργος"),
        ("8859/9", "iso8859-9", "Şükrü"),
        ("8859/15", "iso8859-15", "Œuvre €"),
        ("WINDOWS-1252", "cp1252", "“Müller” €"),
        ("Windows-1251", "cp1251", "Иванов"),
        ("ISO IR87", "iso2022_jp", "山田太郎"),
        ("GB 18030-2000", "gb18030", "王小明"),
        ("KS X 1001", "euc_kr", "김철수"),
        ("BIG-5", "big5", "王小明"),
        ("ISO IR14", "shift_jis", "表示"),
        ("UNICODE UTF-16", "utf-16", "Müller 北京"),
        ("", "utf-16-le", "no mark"),
    ],
)
def test_character_sets(declared: str, codec: str, text: str) -> None:
    line = f"MSH|^~\\&|A|F|||20240101||ADT^A08|1|P|2.5||||||{declared}\rPID|1||7||{text}^X\r"
    read = parse(line.encode(codec))
    assert read.all("PID")[0].get(5) == text
    assert read.warnings == []


@pytest.mark.parametrize(
    ("declared", "codec", "text", "read_as"),
    [
        ("ASCII", "utf-8", "Müller", "Müller"),
        ("ASCII", "latin-1", "Müller", "Müller"),
        ("UNICODE UTF-8", "latin-1", "Müller", "Müller"),
        ("", "latin-1", "Müller", "Müller"),
        ("KLINGON", "utf-8", "Müller", "Müller"),
        ("KS X 1001", "utf-8", "Łódź", "Łódź"),
    ],
)
def test_a_wrong_declaration_costs_a_warning(declared: str, codec: str, text: str, read_as: str) -> None:
    line = f"MSH|^~\\&|A|F|||20240101||ADT^A08|1|P|2.5||||||{declared}\rPID|1||7||{text}\r"
    read = parse(line.encode(codec))
    assert read.all("PID")[0].get(5) == read_as
    assert read.warnings


def test_controls_go_and_unusual_blanks_become_plain() -> None:
    read = parse(message("PID|1||7||Do\x00e^Jean\u00a0Luc^山田\u3000太郎".encode()))
    pid = read.all("PID")[0]
    assert (pid.get(5, 1), pid.get(5, 2), pid.get(5, 3)) == ("Doe", "Jean Luc", "山田 太郎")
    assert any("control characters" in warning for warning in read.warnings)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", ""),
        (b"\r\n \r\n", ""),
        (b"Hello", "MSH (line 1)"),
        (b"PID|1||7", "MSH (line 1)"),
        (b"MSH", "MSH-1 (line 1)"),
        (b"MSHA^~\\&A", "MSH-1 (line 1)"),
        (b"MSH|^^\\&|A", "MSH-2 (line 1)"),
        (b"MSH||A|B", "MSH-2 (line 1)"),
        (HEAD + b"\rPID|1\r" + HEAD, "MSH (line 3)"),
    ],
)
def test_what_is_no_message_is_refused_with_the_place(data: bytes, place: str) -> None:
    with pytest.raises(Hl7Error) as refused:
        parse(data)
    assert refused.value.place == place
    assert refused.value.reason.endswith(".")


def test_values_never_show_themselves_in_a_repr() -> None:
    pid = parse(message(b"PID|1||7||Secret^Name")).all("PID")[0]
    assert "Secret" not in repr(pid) + repr(pid.first(5))
