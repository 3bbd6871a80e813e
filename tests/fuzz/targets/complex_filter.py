"""Any bytes make a query that is written and read the same, or an error of ours; no written text leaves its literal."""

from __future__ import annotations

import json
import re
from typing import Any

from etdb.errors import InputError
from etdb.web.complexfilter import encode_filter, parse_filter


def seeds() -> list[bytes]:
    return [
        b'[{"type":"filter","searchOn":"artifact.details.speciesName","searchType":"contains","searchFor":"coli"}]',
        (
            b'[{"type":"OR","args":[{"type":"filter","searchOn":"date","searchType":"between","searchFor":"1;86400"},'
            b'{"type":"AND","args":[{"type":"filter","searchOn":"lab","searchType":"regex","searchFor":"^a\\\\.b$",'
            b'"not":true}]}]}]'
        ),
        b'[{"type":"filter","searchOn":"etdb.size_bytes","searchType":"greaterThan","searchFor":1e9,"not":true}]',
    ]


def check(data: bytes) -> None:
    try:
        written = encode_filter(parse_filter(data))
    except InputError:
        return
    assert encode_filter(parse_filter(written)) == written
    for text in _texts(json.loads(written)):
        assert not re.search(r"(?<!\\)(?:\\\\)*(?:'|[\n\r\u2028\u2029])", text)


def _texts(document: Any) -> list[str]:
    if isinstance(document, list):
        return [text for one in document for text in _texts(one)]
    if "args" in document:
        return _texts(document["args"])
    return [document["searchFor"]] if isinstance(document["searchFor"], str) else []
