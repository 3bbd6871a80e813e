"""Staging into an S3 store, Amazon's or another's, through boto3. Keys come from where boto3 looks for them.

Each request carries the SHA-256 of its bytes, which the store must check. A store that does not say so afterwards is
read back. Large files go in parts; those that an earlier try brought are compared and not sent again.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from etdb.errors import ConfigurationError, EtdbError, FormatError, SourceError, SourceFileError
from etdb.stage.layout import NAME
from etdb.stage.port import Piece, Progress, WrongBytesError, source_errors

__all__ = ["S3Target"]

_PART_BYTES: Final = 64 << 20
_MOST_PARTS: Final = 10_000  # of one file, by the protocol


class S3Target:
    """See :class:`~etdb.stage.port.StageTarget`.

    Args:
        url: ``s3://bucket/prefix``.
        endpoint_url: of a store that is not Amazon's.
        profile: in the user's ``~/.aws``.
        part_bytes: files up to this go in one request.

    Raises:
        ConfigurationError: not such an address, no keys, or boto3 is not installed.
    """

    def __init__(self, url: str, *, endpoint_url: str = "", profile: str = "", part_bytes: int = _PART_BYTES) -> None:
        scheme, _, rest = url.partition("://")
        self._bucket, _, prefix = rest.partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        if scheme != "s3" or not self._bucket or "@" in rest or "?" in rest or not rest.isprintable():
            raise ConfigurationError(
                f"{rest.rpartition('@')[2]} is not s3://bucket/prefix", hint="keys belong in ~/.aws"
            )
        self.name = f"s3://{self._bucket}/{self._prefix.rstrip('/')}".rstrip("/")
        self._part_bytes = part_bytes
        try:
            boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
            self._errors = importlib.import_module("botocore.exceptions")
            self._parsers = importlib.import_module("botocore.parsers")
        except ImportError:
            raise ConfigurationError("staging to S3 needs boto3", hint="pip install 'etdb[stage]'") from None
        try:
            session = boto3.Session(profile_name=profile or None)
            self._client: Any = session.client(
                "s3",
                endpoint_url=endpoint_url or None,
                region_name=session.region_name or "us-east-1",
                config=config.Config(
                    connect_timeout=30,
                    read_timeout=120,
                    retries={"mode": "standard", "max_attempts": 4},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    s3={"addressing_style": "path"} if endpoint_url else {},
                ),
            )
        except (self._errors.BotoCoreError, ValueError) as error:
            raise ConfigurationError(f"{self.name}: {error}", hint="check [stage] in etdb.toml, and ~/.aws") from None

    def present(self) -> dict[str, int]:
        """See :class:`~etdb.stage.port.StageTarget`."""
        found = {}
        with self._asked():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for page in pages:
                for one in page.get("Contents", ()):
                    name = str(one["Key"]).removeprefix(self._prefix)
                    if NAME.fullmatch(name):
                        found[name] = int(one["Size"])
        return found

    def put(self, piece: Piece, *, progress: Progress = lambda _count: None) -> None:
        """See :class:`~etdb.stage.port.StageTarget`."""
        key = self._prefix + piece.name
        with self._asked(piece):
            if piece.size_bytes <= self._part_bytes:
                data = _read(piece, 0, piece.size_bytes)
                # What was hashed here a moment ago is what is sent, or nothing is.
                if hashlib.sha256(data).hexdigest() != piece.sha256:
                    raise _changed(piece)
                checksum = _base64(bytes.fromhex(piece.sha256))
                self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ChecksumSHA256=checksum)
                progress(len(data))
            else:
                checksum = self._put_parts(key, piece, progress)
            self._check(key, piece, checksum)

    def close(self) -> None:
        """See :class:`~etdb.stage.port.StageTarget`."""
        self._client.close()

    def _put_parts(self, key: str, piece: Piece, progress: Progress) -> str:
        size = max(self._part_bytes, -(-piece.size_bytes // _MOST_PARTS))
        upload, there = self._begun(key)
        parts, digests, whole = [], [], hashlib.sha256()
        for number, start in enumerate(range(0, piece.size_bytes, size), 1):
            data = _read(piece, start, min(size, piece.size_bytes - start))
            whole.update(data)
            digest = hashlib.sha256(data).digest()
            digests.append(digest)
            known = there.get(number)
            if known is None or known.get("ChecksumSHA256") != _base64(digest):
                known = self._client.upload_part(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload,
                    PartNumber=number,
                    Body=data,
                    ChecksumSHA256=_base64(digest),
                )
            parts.append({"PartNumber": number, "ETag": known["ETag"], "ChecksumSHA256": _base64(digest)})
            progress(len(data))
        if whole.hexdigest() != piece.sha256:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
            raise _changed(piece)
        self._client.complete_multipart_upload(
            Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
        )
        return f"{_base64(hashlib.sha256(b''.join(digests)).digest())}-{len(parts)}"

    def _begun(self, key: str) -> tuple[str, dict[int, Any]]:
        """An upload in parts that was cut off, and the parts that it brought; else a new one."""
        listed = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
        for upload in listed.get("Uploads", ()):
            if upload["Key"] == key and upload.get("ChecksumAlgorithm", "SHA256") == "SHA256":
                parts: dict[int, Any] = {}
                pages = self._client.get_paginator("list_parts").paginate(
                    Bucket=self._bucket, Key=key, UploadId=upload["UploadId"]
                )
                for page in pages:
                    parts |= {int(part["PartNumber"]): part for part in page.get("Parts", ())}
                return str(upload["UploadId"]), parts
        made = self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ChecksumAlgorithm="SHA256")
        return str(made["UploadId"]), {}

    def _check(self, key: str, piece: Piece, checksum: str) -> None:
        head = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        said = head.get("ChecksumSHA256")
        if said is None:
            whole = hashlib.sha256()
            for chunk in self._client.get_object(Bucket=self._bucket, Key=key)["Body"].iter_chunks(1 << 20):
                whole.update(chunk)
            is_right = whole.hexdigest() == piece.sha256
        else:
            is_right = said in {checksum, checksum.partition("-")[0]}
        if not is_right or head["ContentLength"] != piece.size_bytes:
            self._client.delete_object(Bucket=self._bucket, Key=key)
            raise WrongBytesError(
                f"{piece.name} has other bytes in {self.name} than were sent",
                hint="it was removed there; run the same command again",
                source=self.name,
            )

    @contextmanager
    def _asked(self, piece: Piece | None = None) -> Iterator[None]:
        try:
            yield
        except EtdbError:
            raise
        except self._errors.ClientError as error:
            told = error.response.get("Error", {})
            code, message = str(told.get("Code", "")), str(told.get("Message", ""))
            if code in {"BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest"} and piece is not None:
                raise WrongBytesError(
                    f"{piece.name} arrived in {self.name} with other bytes", hint="run the same command again"
                ) from None
            raise SourceError(
                f"{self.name}: {code or 'refused'}: {message[:200]}",
                hint="may these keys write there? check [stage] in etdb.toml, and ~/.aws",
                source=self.name,
            ) from None
        except self._errors.BotoCoreError as error:
            raise SourceError(
                f"{self.name}: {str(error)[:300]}", hint="is it there? check [stage] in etdb.toml", source=self.name
            ) from None
        except (LookupError, TypeError, ValueError, self._parsers.ResponseParserError) as error:
            # Of these answers nothing is taken for granted: a part of them is missing, or is no number, or no XML.
            raise FormatError(
                f"{self.name} answers otherwise than S3 does: {type(error).__name__}: {str(error)[:200]}",
                hint="is it an S3 store? check [stage] in etdb.toml",
                source=self.name,
            ) from error


def _read(piece: Piece, start: int, count: int) -> bytes:
    with source_errors(piece), piece.path.open("rb") as file:
        file.seek(start)
        data = file.read(count)
    if len(data) != count:
        raise _changed(piece)
    return data


def _changed(piece: Piece) -> SourceFileError:
    return SourceFileError(
        f"{piece.path} has changed since it was published", hint="publish it again first", path=str(piece.path)
    )


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
