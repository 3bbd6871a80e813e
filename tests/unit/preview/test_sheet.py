import base64
import datetime as dt
import re
from html.parser import HTMLParser

from etdb.oip import Tomogram
from etdb.preview import SheetEntry, SheetNote, encode_sheet
from etdb.preview.sheet import MAX_NOTES

EVIL = "<script>alert(1)</script>\"'&\u202e<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The elements, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_data(self, data):
        self.words.append(data)


def sheet(*entries, title="night"):
    return b"".join(encode_sheet(entries, title=title)).decode()


def test_facts_pictures_and_findings_of_each_dataset():
    good = Tomogram(
        title="A cell",
        sid="aa-1",
        species="Vibrio cholerae",
        acquired_on=dt.date(2014, 1, 14),
        tilt_min_deg=-60,
        tilt_max_deg=60,
        tilt_step_deg=1.5,
        voxel_spacing_angstrom=13.1,
        microscope="Polara",
        voltage_kv=300,
        magnification=27500,
        dose_e_per_a2=120,
        defocus_um=-6,
        licence="CC0-1.0",
    )
    notes = (SheetNote(severity="error", text="cell.st: one byte short"), SheetNote(severity="warning", text="look"))
    text = sheet(
        SheetEntry(name="a", tomogram=good, jpeg=b"\xff\xd8jpeg", files=3, size_bytes=4_200_000, notes=notes),
        SheetEntry(name="b", why_not="it cannot be read"),
    )
    page = Page(text)
    words = " ".join(page.words)
    for expected in (
        "A cell",
        "aa-1",
        "Vibrio cholerae",
        "2014-01-14",
        "-60° to 60°, every 1.5°",
        "13.1 Å",
        "Polara, 300 kV, 27,500 x",
        "120 e/Å²",
        "-6 µm",
        "CC0-1.0",
        "3, 4.2 MB",
        "cell.st: one byte short",
        "it cannot be read",
        "1 with errors",
    ):
        assert expected in words
    (picture,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert base64.b64decode(picture) == b"\xff\xd8jpeg"
    assert page.tags.count("article") == 2


def test_nothing_foreign_is_more_than_text_and_nothing_is_fetched():
    evil = Tomogram(title=EVIL, sid=EVIL, species=EVIL, strain=EVIL, microscope=EVIL, licence=EVIL)
    note = SheetNote(severity="warning", text=EVIL * 50)
    text = sheet(SheetEntry(name=EVIL, tomogram=evil, why_not=EVIL, notes=(note,)), title=EVIL)
    page = Page(text)
    assert "script" not in page.tags
    assert page.tags.count("img") == 0
    assert "\u202e" not in text
    assert not [one for one in page.attributes if one[1].startswith("on")]
    assert not [one for one in page.attributes if one[1] in {"href", "src"}]
    assert "default-src 'none'" in text
    assert len(text) < 12_000


def test_only_so_many_notes_are_written_out():
    notes = tuple(SheetNote(severity="info", text=f"note {n}") for n in range(MAX_NOTES + 5))
    words = " ".join(Page(sheet(SheetEntry(name="a", notes=notes))).words)
    assert "and 5 more" in words
    assert f"note {MAX_NOTES}" not in words
