"""The Open Index Protocol: envelopes, multipart messages, the Research-Tomogram record."""

from etdb.oip.artifact import artifact_preimage, encode_publish, parse_tomogram
from etdb.oip.messages import Message, OtherMessage, PublishMessage, parse_message
from etdb.oip.multipart import Split, plan_parts, split
from etdb.oip.parts import (
    FLO_DATA_LIMIT,
    MAX_PARTS,
    Joined,
    Part,
    PartAccepted,
    PartIgnored,
    PartJoiner,
    parse_part,
)
from etdb.oip.strict_json import encode_go_json, load_json
from etdb.oip.tomogram import FILE_ROLES, FileEntry, Tomogram

__all__ = [
    "FILE_ROLES",
    "FLO_DATA_LIMIT",
    "MAX_PARTS",
    "FileEntry",
    "Joined",
    "Message",
    "OtherMessage",
    "Part",
    "PartAccepted",
    "PartIgnored",
    "PartJoiner",
    "PublishMessage",
    "Split",
    "Tomogram",
    "artifact_preimage",
    "encode_go_json",
    "encode_publish",
    "load_json",
    "parse_message",
    "parse_part",
    "parse_tomogram",
    "plan_parts",
    "split",
]
