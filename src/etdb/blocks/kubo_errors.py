"""What Kubo says when it refuses, in our words: who is the culprit, and what to do."""

from __future__ import annotations

import re
from typing import Final

from etdb.errors import (
    ConfigurationError,
    DiskFullError,
    EtdbError,
    LockedError,
    NotFoundError,
    SourceError,
    VerificationError,
)

__all__ = ["KuboError", "KuboSetupError", "NotKuboError", "kubo_refusal", "status_refusal"]

_MAX_SAID: Final = 400
_ENABLE_FILESTORE: Final = (
    "run: ipfs config --json Experimental.FilestoreEnabled true; then start Kubo again; or --copy"
)


class KuboError(SourceError):
    """Kubo answers, but cannot do what it was asked for; ``reason`` is its own word for it."""

    code = "kubo"
    http_status = 502


class NotKuboError(KuboError):
    """What listens there is not the RPC of a Kubo."""

    code = "not-kubo"


class KuboSetupError(ConfigurationError):
    """Kubo's own settings, version or rights do not allow it."""

    code = "kubo-setup"


def kubo_refusal(said: str, source: str) -> EtdbError:
    """The error for the message of a Kubo that refuses.

    Args:
        said: its message; foreign text.
        source: which Kubo.
    """
    said = said[:_MAX_SAID].strip()
    low = said.lower()
    outside = re.search(r"outside ipfs root \((.*)\)", said)
    if "no space left on device" in low or "disk quota exceeded" in low:
        return DiskFullError(
            f"the disk of the Kubo at {source} is full",
            hint="make room there, and run the same command again; what Kubo has taken stays",
            source=source,
            reason=said,
        )
    if "has the lock" in low or "cannot acquire lock" in low or "already locked" in low:
        return LockedError(
            f"the repository of the Kubo at {source} is locked by another process: {said}",
            hint="use the Kubo that is running, or end it first",
            source=source,
            reason=said,
        )
    if outside:
        return KuboSetupError(
            f"the Kubo at {source} refers only to files below {outside[1]}, the folder that holds its repository",
            hint="keep Kubo's repository (IPFS_PATH) in a folder above the data, or let Kubo take a copy with --copy",
            source=source,
            reason=said,
        )
    if "filestore" in low and "enabled" in low:
        return KuboSetupError(
            f"the Kubo at {source} does not take files in place", hint=_ENABLE_FILESTORE, source=source, reason=said
        )
    if "did not match" in low or "no such file" in low:
        return VerificationError(
            f"a file that the Kubo at {source} refers to is gone or holds other bytes than when it was added: {said}",
            hint="restore the file, or add the dataset again from where it is right",
            source=source,
            reason=said,
        )
    if "not found" in low or "could not find" in low or "not pinned" in low:
        return NotFoundError(f"the Kubo at {source} does not have it: {said}", source=source, reason=said)
    if "deadline exceeded" in low:
        return KuboError(
            f"the Kubo at {source} did not get it in time: nobody whom it reaches has it, or they are slow",
            hint="look at its peers with: ipfs swarm peers; or try again",
            source=source,
            reason=said,
        )
    if "offline" in low or "online mode" in low or "no connected peers" in low or "failed to find any peer" in low:
        return KuboError(
            f"the Kubo at {source} is not connected to anyone: {said}",
            hint="look at its peers with: ipfs swarm peers",
            source=source,
            reason=said,
        )
    return KuboError(
        f"the Kubo at {source} refuses: {said or 'without a reason'}",
        hint="see what its log says, and try again",
        source=source,
        reason=said,
    )


def status_refusal(status: int, said: str, source: str, command: str, *, has_secret: bool) -> EtdbError:
    """The error for an answer that is neither success nor a message of Kubo's.

    Args:
        status: of HTTP.
        said: the beginning of the body; foreign text.
        source: which server.
        command: what it was asked.
        has_secret: whether we showed a secret.
    """
    words = {"source": source, "status": status}
    if status in {401, 403}:
        if "authorization" in said.lower() or status == 401:
            what = "does not take the secret that we show" if has_secret else "wants a secret"
            hint = "put the token of API.Authorizations into a file that only you can read, and name it: --secret-file"
        else:
            what = "forbids it, because of who asks from where"
            hint = "ask it at the address that it listens on, without a proxy; see API.HTTPHeaders in its settings"
        return KuboSetupError(f"the Kubo at {source} {what} ({status} to {command})", hint=hint, **words)
    if 300 <= status < 400:
        return NotKuboError(
            f"{source} redirects {command}, which is not followed", hint="give Kubo's own address", **words
        )
    if status == 404:
        return NotKuboError(
            f"{source} does not know the command {command}",
            hint="is it the RPC (port 5001), not the gateway (port 8080), of a current Kubo?",
            **words,
        )
    if status == 429 or status >= 500:
        return KuboError(f"the Kubo at {source} answers {status} to {command}", hint="try again later", **words)
    return NotKuboError(
        f"{source} answers {status} to {command}: it is not the RPC of a Kubo", hint="see its address", **words
    )
