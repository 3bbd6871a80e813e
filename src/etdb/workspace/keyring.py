"""Keys at rest: one JSON file a key, the secret encrypted with a passphrase.

scrypt (RFC 7914) turns the passphrase into 64 bytes: half of them the ChaCha20-Poly1305 key (RFC 8439), the other
half a check that tells a wrong passphrase from a file that was changed. Everything else in the file, such as its name
and address, is authenticated with the secret. The address can be read without the passphrase.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import time
import unicodedata
from pathlib import Path

import msgspec
from msgspec import Struct

from etdb.durable import make_folder, storage_error, storage_errors, write_durably
from etdb.errors import EtdbError, InputError, NotFoundError, PassphraseError, StorageError
from etdb.flo import PrivateKey, network

__all__ = ["KeyInfo", "Keyring"]

FORMAT = "etdb-key-1"
SCRYPT_N = 2**16
SCRYPT_R = 8
SCRYPT_P = 1
# A key file from elsewhere must not make us spend all memory: 128 * r * n bytes, 256 MiB at most.
ALLOWED_N = (2**14, 2**15, 2**16, 2**17, 2**18)
SALT_BYTES = 16
NONCE_BYTES = 12
CHECK_BYTES = 16
MAX_KEY_FILE_BYTES = 16_384
NAME_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KeyInfo(Struct, frozen=True, kw_only=True):
    """What can be told of a key without its passphrase."""

    name: str
    network: str
    address: str
    created_s: int


class _Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is authenticated but not secret."""

    format: str
    name: str
    network: str
    address: str
    created_s: int
    scrypt_n: int
    scrypt_r: int
    scrypt_p: int
    salt: str
    nonce: str


class _KeyFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    header: _Header
    check: str
    secret: str


class Keyring:
    """The keys of a folder, for one network.

    Args:
        folder: where the key files lie; made with mode 0700 when the first key is stored.
        network_name: FLO's network ("main", "testnet", "regtest") that new and imported keys belong to.
        scrypt_n: cost of opening a new key; a power of two from 2**14 to 2**18.
    """

    def __init__(self, folder: Path, network_name: str, *, scrypt_n: int = SCRYPT_N) -> None:
        if scrypt_n not in ALLOWED_N:
            raise ValueError(f"scrypt_n must be one of {ALLOWED_N}")
        self.folder = folder
        self.network_name = network_name
        self._scrypt_n = scrypt_n

    def new(self, name: str, passphrase: str, *, entropy: bytes | None = None) -> KeyInfo:
        """Make a key and store it; `entropy` (32 bytes) is for tests.

        Raises:
            InputError: the name is not right or taken.
            PassphraseError: the passphrase is empty.
            StorageError: the file cannot be written.
        """
        self._check_free(name)
        key = PrivateKey.generate(secrets.token_bytes(32) if entropy is None else entropy)
        return self._store(name, key, passphrase)

    def import_wif(self, name: str, wif: str, passphrase: str) -> KeyInfo:
        """Store a key that another wallet exported.

        Raises:
            InputError: not a private key of this network, or the name is not right or taken.
            PassphraseError: the passphrase is empty.
        """
        self._check_free(name)
        try:
            key = PrivateKey.from_wif(wif.strip(), network(self.network_name))
        except (EtdbError, ValueError):
            # The cause may quote the secret; it goes no further.
            raise InputError(
                f"this is not a private key of the {self.network_name} network",
                hint="give the key in wallet import format (WIF); a key of another network is refused",
            ) from None
        return self._store(name, key, passphrase)

    def list(self) -> list[KeyInfo]:
        """All keys, by name, of every network; files that are not keys are an error, not skipped."""
        if not self.folder.is_dir():
            return []
        names = sorted(path.stem for path in self.folder.iterdir() if NAME_RULE.fullmatch(path.name) and _is_key(path))
        return [self.show(name) for name in names]

    def show(self, name: str) -> KeyInfo:
        """What a key's file tells without the passphrase.

        Raises:
            NotFoundError: there is no such key.
            StorageError: its file is damaged.
        """
        header = self._load(name).header
        return KeyInfo(name=name, network=header.network, address=header.address, created_s=header.created_s)

    def unlock(self, name: str, passphrase: str) -> PrivateKey:
        """Open a key.

        Raises:
            NotFoundError: there is no such key.
            PassphraseError: the passphrase is wrong.
            InputError: the key belongs to another network.
            StorageError: the file was damaged or changed.
        """
        file = self._load(name)
        header = file.header
        if header.network != self.network_name:
            raise InputError(
                f"the key {name} belongs to the {header.network} network, not to {self.network_name}",
                hint="use a key of this network, see: etdb key list",
                key=name,
            )
        try:
            salt, nonce, check, secret = map(_decode, (header.salt, header.nonce, file.check, file.secret))
        except (ValueError, binascii.Error):
            raise self._damaged(name) from None
        cipher_key, expected = _derive(passphrase, salt, header)
        if not hmac.compare_digest(check, expected):
            raise PassphraseError(f"the passphrase does not open the key {name}", hint="try again", key=name)
        from etdb.workspace.sealing import open_sealed  # noqa: PLC0415 - takes longer than reading a folder

        try:
            wif = open_sealed(cipher_key, nonce, secret, msgspec.json.encode(header)).decode("ascii")
            key = PrivateKey.from_wif(wif, network(header.network))
        except (EtdbError, ValueError):
            raise self._damaged(name) from None
        if header.name != name or key.address(network(header.network)) != header.address:
            raise self._damaged(name)
        return key

    def export(self, name: str, passphrase: str) -> str:
        """The key in wallet import format: whoever sees it owns the key. Errors as `unlock`."""
        return self.unlock(name, passphrase).to_wif(network(self.network_name))

    def _check_free(self, name: str) -> None:
        if not NAME_RULE.fullmatch(name):
            raise InputError(
                f"{name!r} cannot be a key's name",
                hint="1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit",
            )
        if os.path.lexists(self._path(name)):
            raise InputError(f"there is a key named {name} already", hint="choose another name", key=name)

    def _store(self, name: str, key: PrivateKey, passphrase: str) -> KeyInfo:
        if not passphrase:
            raise PassphraseError("the passphrase is empty", hint="choose one that is long and not used elsewhere")
        flo = network(self.network_name)
        salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
        header = _Header(
            format=FORMAT,
            name=name,
            network=self.network_name,
            address=key.address(flo),
            created_s=int(time.time()),
            scrypt_n=self._scrypt_n,
            scrypt_r=SCRYPT_R,
            scrypt_p=SCRYPT_P,
            salt=_encode(salt),
            nonce=_encode(nonce),
        )
        cipher_key, check = _derive(passphrase, salt, header)
        from etdb.workspace.sealing import seal  # noqa: PLC0415 - as above

        secret = seal(cipher_key, nonce, key.to_wif(flo).encode(), msgspec.json.encode(header))
        document = _KeyFile(header=header, check=_encode(check), secret=_encode(secret))
        self._write_new(name, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
        return KeyInfo(name=name, network=header.network, address=header.address, created_s=header.created_s)

    def _write_new(self, name: str, text: bytes) -> None:
        """Write a file that is there whole or not at all, and never in place of another."""
        with storage_errors(self.folder):
            make_folder(self.folder, mode=0o700)
            self.folder.chmod(0o700)
        try:
            write_durably(self._path(name), [text], replace=False, mode=0o600)
        except FileExistsError:
            raise InputError(f"there is a key named {name} already", hint="choose another name", key=name) from None

    def _load(self, name: str) -> _KeyFile:
        path = self._path(name)
        missing = NotFoundError(f"there is no key named {name!r}", hint="see: etdb key list", key=name)
        if not NAME_RULE.fullmatch(name):
            raise missing
        try:
            with path.open("rb") as file:
                text = file.read(MAX_KEY_FILE_BYTES + 1)
        except FileNotFoundError:
            raise missing from None
        except OSError as error:
            raise storage_error(error, path) from error
        try:
            file_value = msgspec.json.decode(text, type=_KeyFile)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._damaged(name) from None
        header = file_value.header
        costs = header.scrypt_n in ALLOWED_N and (header.scrypt_r, header.scrypt_p) == (SCRYPT_R, SCRYPT_P)
        if header.format != FORMAT or not costs or len(text) > MAX_KEY_FILE_BYTES:
            raise self._damaged(name)
        return file_value

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _damaged(self, name: str) -> StorageError:
        path = self._path(name)
        return StorageError(
            f"the key file {path} is damaged or was changed", hint="restore it from a copy", key=name, path=str(path)
        )


def _is_key(path: Path) -> bool:
    return path.suffix == ".json" and path.is_file()


def _derive(passphrase: str, salt: bytes, header: _Header) -> tuple[bytes, bytes]:
    # The same passphrase typed on two systems can differ in how accents are composed.
    text = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
    memory = 128 * header.scrypt_r * header.scrypt_n
    derived = hashlib.scrypt(
        text,
        salt=salt,
        n=header.scrypt_n,
        r=header.scrypt_r,
        p=header.scrypt_p,
        maxmem=memory + (1 << 20),
        dklen=64,
    )
    return derived[:32], hashlib.sha256(b"etdb key check" + derived[32:]).digest()[:CHECK_BYTES]


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
