"""Messages about a record: written, they read back as what was meant, with the texts that were signed."""

import hashlib

import msgspec
import pytest

from etdb import oip
from etdb.errors import InputError
from etdb.testing.records import RecordSigner

LAB = RecordSigner("lab")
ID = "ab" * 32
FIRST = LAB.tomogram(title="A wrong title", notes="kept")
SECOND = msgspec.structs.replace(FIRST, title="A right title", timestamp_s=1_700_000_050)
LONGEST = "é" * oip.MAX_REASON


def marked(text):
    """In place of a signature: of another text another one."""
    return hashlib.sha256(text.encode()).hexdigest()


def body(message, verb):
    return oip.load_json(message.removeprefix(b"json:"))["oip042"][verb]


@pytest.mark.parametrize("reason", ["", "it was wrong", LONGEST])
def test_an_edit(reason):
    old, new = (oip.revise_artifact(one, marked) for one in (FIRST, SECOND))
    assert new["signature"] == marked(f"{FIRST.location}-{LAB.address}-1700000050")
    message = oip.encode_edit(ID, old, new, 7, sign=marked, reason=reason)
    read = oip.parse_message(message)
    assert isinstance(read, oip.EditMessage)
    assert (read.dataset_id, read.timestamp, read.reason) == (ID, 7, reason)
    assert read.signature == marked(read.preimage(LAB.address)) == marked(f"{ID}-7")
    assert oip.apply_patch(old, read.patch) == new
    assert {one.path for one in read.patch} == {"/info/title", "/timestamp", "/signature"}
    assert ("reason" in body(message, "edit")["artifact"]) is bool(reason)


@pytest.mark.parametrize("reason", ["", "it was wrong", LONGEST])
def test_a_withdrawal(reason):
    message = oip.encode_deactivate(ID, LAB.address, 7, sign=marked, reason=reason)
    read = oip.parse_message(message)
    assert isinstance(read, oip.DeactivateMessage)
    assert (read.dataset_id, read.timestamp, read.reason) == (ID, 7, reason)
    assert read.signature == marked(read.preimage(LAB.address)) == marked(f"{ID}-{LAB.address}-7")
    assert body(message, "deactivate")["reference"] == ID  # the OIP daemon looks for it there


@pytest.mark.parametrize("reason", ["", "it was wrong", LONGEST])
def test_a_transfer(reason):
    message = oip.encode_transfer(ID, LAB.address, "the heir", 7, sign=marked, reason=reason)
    read = oip.parse_message(message)
    assert isinstance(read, oip.TransferMessage)
    assert (read.dataset_id, read.timestamp, read.reason) == (ID, 7, reason)
    assert (read.publisher, read.to_address) == (LAB.address, "the heir")
    assert read.signature == marked(read.preimages[0]) == marked(f"{ID}-{LAB.address}-the heir-7")


@pytest.mark.parametrize("name", ["A", "The Jensen Lab", LONGEST])
def test_a_name(name):
    read = oip.parse_message(oip.encode_register(name, LAB.address, 7, sign=marked))
    assert isinstance(read, oip.RegisterMessage)
    assert (read.title, read.publisher, read.timestamp) == (name, LAB.address, 7)
    assert read.preimages == (f"{name}-{LAB.address}-7",)
    assert read.signature == marked(*read.preimages)


@pytest.mark.parametrize("name", ["", "  ", LONGEST + "é", "two\nlines", "\x1b[31mred"])
def test_what_is_no_name(name):
    with pytest.raises(InputError, match="no name for a publisher"):
        oip.encode_register(name, LAB.address, 7, sign=marked)


@pytest.mark.parametrize("write", [LAB.deactivate, lambda *one, **more: LAB.transfer(*one, LAB.address, **more)])
def test_a_reason_that_readers_would_cut_is_refused(write):
    with pytest.raises(InputError, match="too long"):
        write(ID, reason=LONGEST + "é")


@pytest.mark.parametrize("later_s", [0, 50])
def test_an_edit_that_changes_nothing_is_refused(later_s):
    again = msgspec.structs.replace(FIRST, timestamp_s=FIRST.timestamp_s + later_s)
    with pytest.raises(InputError, match="nothing differs"):
        LAB.edit(ID, FIRST, again)
