"""Any question to the old daemon's search is a condition that the catalogue answers, or is refused."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from etdb.catalogue import Catalogue, Query
from etdb.errors import InputError
from etdb.testing.portal import fold_messages, sample_messages
from etdb.web.oldapi.question import parse_question

LOCATION = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"


@functools.cache
def catalogue() -> Catalogue:
    path = Path(tempfile.mkdtemp(prefix="etdb-fuzz-")) / "catalogue.sqlite"
    made = Catalogue(path, writable=True)
    fold_messages(made, sample_messages(LOCATION))
    return made


def seeds() -> list[bytes]:
    questions = [
        '(artifact.type:research AND artifact.info.year:"2017") OR NOT pili',
        "artifact.details.defocus:[-10 TO -5] +cell -phage",
        "artifact.details.date:>=1400000000 _exists_:artifact.info.nsfw",
        'artifact.details.speciesName:(bdello* OR "Vibrio cholerae"^2) && !a\\:b',
    ]
    return [one.encode() for one in questions]


def check(data: bytes) -> None:
    try:
        condition = parse_question(data.decode("utf-8", "surrogateescape"))
        page = catalogue().search(Query(condition=condition, limit=10))
    except InputError:
        return
    assert 0 <= page.total <= 2
