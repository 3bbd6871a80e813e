"""The Open Index Protocol: envelopes, multipart messages, the Research-Tomogram record."""

from etdb.oip.artifact import artifact_preimage, encode_publish, parse_tomogram
from etdb.oip.messages import Message, PublishMessage, parse_message
from etdb.oip.multipart import Split, plan_parts, split
from etdb.oip.named import DeactivateMessage, EditMessage, OtherMessage, PatchOperation, TransferMessage
from etdb.oip.parts import (
    FLO_DATA_LIMIT,
    MAX_PART_BYTES,
    MAX_PARTS,
    Joined,
    Part,
    PartAccepted,
    PartConflict,
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
    "MAX_PART_BYTES",
    "DeactivateMessage",
    "EditMessage",
    "FileEntry",
    "Joined",
    "Message",
    "OtherMessage",
    "Part",
    "PartAccepted",
    "PartConflict",
    "PartIgnored",
    "PartJoiner",
    "PatchOperation",
    "PublishMessage",
    "Split",
    "Tomogram",
    "TransferMessage",
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
