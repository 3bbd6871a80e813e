"""The Open Index Protocol: envelopes, multipart messages, the Research-Tomogram record."""

from etdb.oip.artifact import artifact_preimage, encode_publish, parse_tomogram
from etdb.oip.changes import FieldChange, compare_records
from etdb.oip.corrections import (
    MAX_REASON,
    encode_deactivate,
    encode_edit,
    encode_register,
    encode_transfer,
    revise_artifact,
)
from etdb.oip.messages import Message, PublishMessage, parse_artifact, parse_message
from etdb.oip.multipart import Split, plan_parts, split
from etdb.oip.named import (
    ActionMessage,
    DeactivateMessage,
    EditMessage,
    OtherMessage,
    PatchOperation,
    RegisterMessage,
    TransferMessage,
)
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
from etdb.oip.patch import MAX_PATCHED_BYTES, apply_patch, make_patch
from etdb.oip.strict_json import encode_go_json, load_json
from etdb.oip.tomogram import FILE_ROLES, FileEntry, Tomogram

__all__ = [
    "FILE_ROLES",
    "FLO_DATA_LIMIT",
    "MAX_PARTS",
    "MAX_PART_BYTES",
    "MAX_PATCHED_BYTES",
    "MAX_REASON",
    "ActionMessage",
    "DeactivateMessage",
    "EditMessage",
    "FieldChange",
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
    "RegisterMessage",
    "Split",
    "Tomogram",
    "TransferMessage",
    "apply_patch",
    "artifact_preimage",
    "compare_records",
    "encode_deactivate",
    "encode_edit",
    "encode_go_json",
    "encode_publish",
    "encode_register",
    "encode_transfer",
    "load_json",
    "make_patch",
    "parse_artifact",
    "parse_message",
    "parse_part",
    "parse_tomogram",
    "plan_parts",
    "revise_artifact",
    "split",
]
