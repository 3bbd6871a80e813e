"""What is released, put where a server outside serves it: content by its CID, checked there by its hash.

The side that publishes pushes, over a way that it opens itself; the side that serves takes up what hashes to its name.
Nothing goes back, and no key goes out.
"""

from etdb.stage.layout import MAX_ROOT_BYTES, NAME, StagedRoot, content_name, encode_root, parse_root, root_name
from etdb.stage.port import Piece, StageTarget, WrongBytesError

__all__ = [
    "MAX_ROOT_BYTES",
    "NAME",
    "Piece",
    "StageTarget",
    "StagedRoot",
    "WrongBytesError",
    "content_name",
    "encode_root",
    "parse_root",
    "root_name",
]
