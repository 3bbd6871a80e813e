"""The viewer's pure JavaScript, run by node's own test runner, with archives made by our CarWriter."""

import base64
import json
import os
import random
import shutil
import subprocess
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

from etdb.blocks import DagReader, FilesInPlace
from etdb.ipfs import ETDB_2018, UNIXFS_V1_2025
from etdb.web.cars import CarWriter
from etdb.web.wanted import Wanted

HERE = Path(__file__).resolve().parent
NODE = shutil.which("node")
MIB = 1 << 20
CASES = (
    ("one leaf", UNIXFS_V1_2025, 300_000, 1_024, 200_000),
    ("many leaves", UNIXFS_V1_2025, 3 * MIB + 77, MIB - 5_000, 2 * MIB + 9),
    ("other content", UNIXFS_V1_2025, 3 * MIB + 78, MIB - 5_000, 2 * MIB + 9),
    ("CIDs of version 0 over raw leaves", ETDB_2018, 700_000, 250_000, 600_000),
)


def vector(case, folder):
    name, profile, size, start, stop = case
    data = random.Random(name).randbytes(size)
    path = folder / name.replace(" ", "-")
    path.write_bytes(data)
    with closing(FilesInPlace(folder / f"{path.name}.sqlite", content_folder=folder / "c", profile=profile)) as store:
        cid = store.add_file(path).cid
        writer = CarWriter(DagReader(store))
        query = {"format": "car", "dag-scope": "entity", "entity-bytes": f"{start}:{stop - 1}"}
        url = f"/ipfs/{cid}"
        part = writer.part(Wanted(is_head=False, cid=str(cid), path="", url_path=url, query=query, headers={}), cid)
        car = b"".join(writer.pieces(cid, "", cid, part))
    return {
        "name": name,
        "cid": str(cid),
        "start": start,
        "stop": stop,
        "car": base64.b64encode(car).decode(),
        "section": base64.b64encode(data[start:stop]).decode(),
    }


@pytest.mark.parametrize("script", ["state.test.mjs", "check.test.mjs"])
def test_the_viewer_in_node(script, tmp_path):
    if NODE is None:
        pytest.skip("left out: the viewer's JavaScript, because node is not installed")
    vectors = [vector(case, tmp_path) for case in CASES] if script.startswith("check") else []
    (tmp_path / "vectors.json").write_text(json.dumps(vectors))
    (tmp_path / "viewer").mkdir()
    source = resources.files("etdb.web.static") / "viewer"
    for one in source.iterdir():
        (tmp_path / "viewer" / one.name).write_bytes(one.read_bytes())
    (tmp_path / "viewer" / "package.json").write_text('{"type": "module"}')
    env = os.environ | {"ETDB_VIEWER": str(tmp_path / "viewer"), "ETDB_VECTORS": str(tmp_path / "vectors.json")}
    done = subprocess.run(
        [NODE, "--test", str(HERE / script)], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
