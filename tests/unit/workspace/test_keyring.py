import json
import stat

import pytest

from etdb.errors import InputError, NotFoundError, PassphraseError, StorageError
from etdb.flo import PrivateKey, network
from etdb.workspace import Keyring

ENTROPY = bytes(range(1, 33))


@pytest.fixture
def ring(tmp_path):
    return Keyring(tmp_path / "keys", "regtest", scrypt_n=2**14)


def test_new_unlock_export_import(ring, tmp_path):
    info = ring.new("lab", "pass phrase ü", entropy=ENTROPY)
    key = PrivateKey.generate(ENTROPY)
    regtest = network("regtest")
    assert info.address == key.address(regtest)
    # The same letter composed otherwise opens it, too.
    assert ring.unlock("lab", "pass phrase u\u0308").address(regtest) == info.address
    wif = ring.export("lab", "pass phrase ü")
    assert wif == key.to_wif(regtest)
    assert ring.import_wif("copy", wif + "\n", "other").address == info.address
    assert [k.name for k in ring.list()] == ["copy", "lab"]
    assert [k.address for k in ring.list()] == [info.address] * 2
    path = tmp_path / "keys" / "lab.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert wif not in path.read_text()
    assert sorted(p.name for p in path.parent.iterdir()) == ["copy.json", "lab.json"]


def test_two_keys_differ(ring):
    assert ring.new("a", "p").address != ring.new("b", "p").address


def test_wrong_passphrase(ring):
    ring.new("lab", "right", entropy=ENTROPY)
    for wrong in ("wrong", "", "right ", "\udcff"):
        with pytest.raises(PassphraseError, match="lab"):
            ring.unlock("lab", wrong)


def test_empty_passphrase_is_refused(ring):
    with pytest.raises(PassphraseError):
        ring.new("lab", "")
    assert ring.list() == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "-x", "a b", "a\n", "a" * 65, "ä", ".hidden", "a\0"])
def test_names_that_could_leave_the_folder(ring, name):
    with pytest.raises(InputError):
        ring.new(name, "p")
    with pytest.raises(NotFoundError):
        ring.unlock(name, "p")
    assert not ring.folder.exists()


def test_a_taken_name_is_never_overwritten(ring):
    ring.new("lab", "p", entropy=ENTROPY)
    before = (ring.folder / "lab.json").read_bytes()
    for again in (lambda: ring.new("lab", "q"), lambda: ring._write_new("lab", b"x")):
        with pytest.raises(InputError, match="already"):
            again()
    assert (ring.folder / "lab.json").read_bytes() == before
    assert len(list(ring.folder.iterdir())) == 1


def test_import_of_another_network_or_rubbish_hides_the_secret(ring, caplog):
    main = PrivateKey.generate(ENTROPY).to_wif(network("main"))
    for wif in (main, main[:-1], "not a key", ""):
        with pytest.raises(InputError) as caught:
            ring.import_wif("lab", wif, "p")
        assert not wif or wif not in f"{caught.value!r} {caught.value.to_dict()} {caught.value.__cause__}"
    assert caplog.records == []
    assert ring.list() == []


def test_a_key_of_another_network_is_listed_but_not_used(ring):
    other = Keyring(ring.folder, "main", scrypt_n=2**14)
    other.new("real", "p")
    assert [k.network for k in ring.list()] == ["main"]
    with pytest.raises(InputError, match="main network"):
        ring.unlock("real", "p")


def test_every_change_of_the_file_is_noticed(ring):
    ring.new("lab", "p", entropy=ENTROPY)
    path = ring.folder / "lab.json"
    good = json.loads(path.read_text())
    changes = [(("header", k), v) for k, v in good["header"].items()] + [(("secret",), good["secret"])]
    for where, value in changes:
        document = json.loads(json.dumps(good))
        holder = document if len(where) == 1 else document["header"]
        if isinstance(value, int):
            holder[where[-1]] = value * 2
        else:
            holder[where[-1]] = ("B" if value[0] == "A" else "A") + value[1:]
        path.write_text(json.dumps(document))
        # Another salt or cost derives another check: it looks like a wrong passphrase, and is refused all the same.
        with pytest.raises((StorageError, PassphraseError, InputError)):
            ring.unlock("lab", "p")
    path.write_text(json.dumps(good))
    path.rename(ring.folder / "renamed.json")
    with pytest.raises(StorageError, match="changed"):
        ring.unlock("renamed", "p")


@pytest.mark.parametrize("text", [b"", b"{}", b"[" * 9000, b"\xff", b"x" * 20_000])
def test_damaged_files_are_named(ring, text):
    ring.new("lab", "p", entropy=ENTROPY)
    (ring.folder / "lab.json").write_bytes(text)
    for look in (lambda: ring.unlock("lab", "p"), ring.list):
        with pytest.raises(StorageError, match=r"lab\.json"):
            look()


def test_a_hostile_cost_is_refused_before_it_is_paid(ring):
    ring.new("lab", "p", entropy=ENTROPY)
    path = ring.folder / "lab.json"
    document = json.loads(path.read_text())
    document["header"]["scrypt_n"] = 2**40
    path.write_text(json.dumps(document))
    with pytest.raises(StorageError):
        ring.unlock("lab", "p")


def test_missing_key(ring):
    with pytest.raises(NotFoundError):
        ring.unlock("nobody", "p")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        Keyring(tmp_path / "file" / "keys", "regtest", scrypt_n=2**14).new("lab", "p")
