"""A directory as a page for people, and as JSON for programs. The page needs no script and runs none."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import quote

import msgspec

from etdb.blocks import DagReader
from etdb.ipfs import Cid, PbLink
from etdb.web.wanted import Wanted

__all__ = ["MAX_ON_PAGE", "PAGE_POLICY", "directory_json", "directory_page"]

MAX_ON_PAGE: Final = 10_000
"""Entries on a page; all of them are in the JSON."""
PAGE_POLICY: Final = "sandbox allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;"
    "padding:0 1rem;overflow-wrap:anywhere}a{unicode-bidi:isolate}h1{font-size:1.15rem}"
    "table{border-collapse:collapse;width:100%}"
    "th{text-align:left}td,th{padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884;vertical-align:top}"
    "td:nth-child(2),th:nth-child(2){text-align:right;white-space:nowrap}code{font-size:.8rem}"
)


def directory_json(reader: DagReader, cid: Cid) -> bytes:
    """``{"cid", "entries": [{"name", "cid", "tree_size_bytes"}]}``; the size is that of all blocks below."""
    entries = [
        {"name": link.name, "cid": str(link.cid), "tree_size_bytes": link.tree_size} for link in reader.entries(cid)
    ]
    return msgspec.json.encode({"cid": str(cid), "entries": entries})


def directory_page(reader: DagReader, cid: Cid, wanted: Wanted) -> bytes:
    """An HTML page; every name is escaped."""
    names = [name for name in wanted.path.split("/") if name]
    here, crumbs = f"/ipfs/{wanted.cid}", [_link(f"/ipfs/{wanted.cid}", wanted.cid)]
    for name in names:
        here += "/" + quote(name, safe="")
        crumbs.append(_link(here, name))
    entries = reader.entries(cid)
    rows = [f"<tr><td>{_link(here + '/..', '..')}</td><td></td><td></td></tr>"] if names else []
    rows += [_row(here, link) for link in entries[:MAX_ON_PAGE]]
    more = f"<p>and {len(entries) - MAX_ON_PAGE} more</p>" if len(entries) > MAX_ON_PAGE else ""
    title = escape("/".join(["/ipfs", wanted.cid, *names]))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><main><h1>Index of /ipfs/{'/'.join(crumbs)}</h1>"
        f"<p><code>{cid}</code></p><table><thead><tr><th scope=col>Name</th><th scope=col>Size</th>"
        f"<th scope=col>CID</th></tr></thead><tbody>{''.join(rows)}</tbody></table>{more}</main></html>"
    ).encode("utf-8", "replace")


def _row(here: str, link: PbLink) -> str:
    named = _link(f"{here}/{quote(link.name, safe='')}", link.name)
    by_cid = escape(f"/ipfs/{link.cid}?filename={quote(link.name, safe='')}")
    size = "" if link.tree_size is None else f"{link.tree_size:,} B"
    return f'<tr><td>{named}</td><td>{size}</td><td><a href="{by_cid}"><code>{link.cid}</code></a></td></tr>'


def _link(target: str, name: str) -> str:
    return f'<a href="{escape(target)}">{escape(name)}</a>'
