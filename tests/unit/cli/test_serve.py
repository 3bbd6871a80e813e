"""`etdb serve` as a service: signals, media for reading, ledgers that are away, a portal without data."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from tests.unit.cli.conftest import DESCRIPTION
from tests.unit.web.labs import mrc_bytes

from etdb.blocks import DagReader
from etdb.cli.opening import open_files
from etdb.ipfs import DAG_PB, IpldBlock, parse_cid
from etdb.workspace import Workspace


class Service:
    """``etdb serve`` in a process of its own."""

    def __init__(self, workspace, *words, program=("-m", "etdb"), port=0):
        command = [sys.executable, *program, "-w", str(workspace), "serve", "--port", str(port), *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line + self.process.communicate(timeout=60)[1]
        self.url = found[0]

    def get(self, path):
        """The body, or the status of an error."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def until(self, path, is_so):
        """Ask until the answer is so."""
        for _ in range(600):
            found = self.get(path)
            if is_so(found):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{path} stays {found!r}")

    def datasets(self, count):
        """Wait until so many are shown; gives them."""
        return json.loads(self.until("/api/v1/datasets", lambda body: json.loads(body)["total"] == count))["results"]

    def end(self, number=signal.SIGTERM):
        """Ask it to end; gives the status and what it said of trouble."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@contextlib.contextmanager
def service(workspace, *words, **options):
    running = Service(workspace, *words, **options)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


# As somebody who may do only what the rights of files allow, also where tests are run by root.
WITHOUT_POWER = """
import functools, os, sys
os.access = functools.partial(os.access, effective_ids=True)
from etdb.cli import main
from etdb.testing.rights import no_power_over_files
with no_power_over_files():
    main(sys.argv[1:])
"""


@contextlib.contextmanager
def mounted_for_reading(folder):
    """Nobody may write anything in it."""
    rights = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    for path in reversed(rights):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        for path, mode in rights.items():
            path.chmod(mode)


@pytest.mark.parametrize("is_indexed", [True, False])
def test_a_medium_mounted_for_reading_is_served(desk, is_indexed):
    desk.publish()
    desk.index()
    if not is_indexed:
        shutil.rmtree(desk.workspace.cache_folder)
    before = {path: path.stat().st_mtime_ns for path in desk.root.rglob("*")}
    with mounted_for_reading(desk.root):
        with service(desk.workspace.root, program=("-c", WITHOUT_POWER)) as site:
            one = site.datasets(1)[0]
            assert site.get(f"/ipfs/{one['provenance']['location']}/a.rawtlt") == b"0.0\n3.0\n"
            assert site.get("/readyz") != 503 or not is_indexed
            status, said = site.end()
        assert (status, "Traceback" in said) == (0, False)
        assert ("can only be read" if is_indexed else "indexed anew") in said
    assert {path: path.stat().st_mtime_ns for path in desk.root.rglob("*")} == before


def test_a_catalogue_that_cannot_be_used_does_not_keep_the_site_away(desk):
    desk.publish()
    desk.index()
    desk.workspace.catalogue_path.write_bytes(b"no catalogue" * 1000)
    with service(desk.workspace.root) as site:
        site.datasets(1)
        status, said = site.end()
    assert (status, "indexed anew" in said) == (0, True)


def test_a_ledger_that_is_away_at_the_start(desk, tmp_path):
    desk.publish()
    portal = Workspace.init(tmp_path / "portal", ledger="../elsewhere/chain")
    with service(portal.root) as site:
        assert site.get("/readyz") == 503
        assert site.get("/healthz") == b"alive\n"
        site.datasets(0)
        status, said = site.end()
    assert (status, "is not there" in said, "Traceback" in said) == (0, True, False)
    assert str(tmp_path) in said  # whoever runs it is told where


def test_a_catalogue_that_another_process_follows_is_shown(desk):
    desk.publish()
    desk.index()
    with desk.workspace.lock("index"), service(desk.workspace.root) as site:
        site.datasets(1)
        assert json.loads(site.until("/readyz", lambda body: body != 503))["ready"]
        status, _ = site.end()
    assert status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_well_while_it_follows(desk, number):
    desk.publish()
    with service(desk.workspace.root) as site:
        site.datasets(1)
        assert site.end(number) == (0, "")
    with desk.workspace.lock("index"):
        pass


def half(desk, name, folder):
    """A workspace that has the files of one dataset, and nothing else; the desk loses them."""
    lab = Workspace.init(folder, ledger=os.path.relpath(desk.workspace.chain_folder, folder))
    records = [one["tomogram"] for one in desk.run("--json", "search").document["results"]]
    location = next(one["location"] for one in records if name in one["title"])
    with open_files(desk.workspace) as had, open_files(lab) as has:
        reader = DagReader(had)
        blocks = list(reader.blocks(parse_cid(location)))
        places = {link.name: b"".join(reader.content(link.cid)) for link in reader.entries(parse_cid(location))}
        for path, data in places.items():
            (folder / "files").mkdir(exist_ok=True)
            (folder / "files" / path).write_bytes(data)
            has.add_file(folder / "files" / path)
        nodes = [IpldBlock(cid=cid, data=data, tree_size=len(data)) for cid, data in blocks if cid.codec == DAG_PB]
        has._table.store_nodes(nodes)
    shutil.rmtree(desk.data / name)
    return lab, location


@pytest.mark.crash  # five processes
def test_two_labs_and_a_portal_without_a_byte_of_its_own(desk, tmp_path):
    desk.dataset("other", DESCRIPTION.replace("A short record", "The other one"))
    noise = np.random.default_rng(7).integers(-900, 900, (10, 500, 500), np.int16)
    (desk.data / "other" / "big.mrc").write_bytes(mrc_bytes(noise))
    said = desk.publish(desk.data, "--validation", "warn")
    assert said.status == 0, said.err
    desk.index()
    lab_b, other = half(desk, "other", tmp_path / "b")
    with contextlib.ExitStack() as running:
        a = running.enter_context(service(desk.workspace.root))
        b = running.enter_context(service(lab_b.root))
        ledger = os.path.relpath(desk.workspace.chain_folder, tmp_path / "portal")
        portal = Workspace.init(tmp_path / "portal", ledger=ledger, gateways=[a.url, b.url])
        site = running.enter_context(service(portal.root))
        found = {one["provenance"]["location"]: one for one in site.datasets(2)}
        (short,) = set(found) - {other}
        assert site.get(f"/ipfs/{short}/a.rawtlt") == b"0.0\n3.0\n"
        assert site.get(f"/ipfs/{other}/a.rawtlt") == b"0.0\n5.0\n"
        reader = Workspace.init(tmp_path / "reader", ledger=ledger)
        words = ("-w", reader.root)
        assert desk.run_bare(*words, "index").status == 0
        said = desk.run_bare(*words, "download", "--gateway", site.url, "-o", tmp_path / "got", *_ids(found))
        assert said.status == 0, said.err
        assert len(list((tmp_path / "got").rglob("big.mrc"))) == 1
        for folder in (tmp_path / "got").iterdir():
            assert desk.run_bare(*words, "verify", folder).status == 0

        port = int(b.url.rsplit(":", 1)[1])
        assert b.end()[0] == 0
        shutil.rmtree(portal.blocks_folder)
        assert site.get(f"/ipfs/{short}/a.rawtlt") == b"0.0\n3.0\n"
        assert site.get(f"/ipfs/{other}/a.rawtlt") in {404, 504}
        page = f"/datasets/{found[other]['id']}"
        assert b"Nobody offers these files at the moment" in site.get(page)
        assert site.get(f"/ipfs/{short}/a.rawtlt") == b"0.0\n3.0\n"
        again = running.enter_context(service(lab_b.root, port=port))
        assert again.url == b.url
        assert site.until(f"/ipfs/{other}/a.rawtlt", lambda body: body not in {404, 504}) == b"0.0\n5.0\n"
        assert b"Nobody offers" not in site.get(page)
        assert site.end() == (0, "")
    assert not list(portal.root.rglob("big.mrc"))


def _ids(found):
    return [one["id"] for one in found.values()]
