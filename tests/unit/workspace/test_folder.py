import os
import stat
import subprocess
import sys
import textwrap
import threading

import pytest

from etdb.errors import ConfigurationError, LockedError, StorageError
from etdb.workspace import Workspace


def test_init_then_open_after_a_move(tmp_path):
    made = Workspace.init(tmp_path / "a" / "lab", "testnet")
    assert (made.network, made.flo_network_name) == ("testnet", "testnet")
    assert stat.S_IMODE(made.keys_folder.stat().st_mode) == 0o700
    assert str(tmp_path) not in made.config_path.read_text()
    made.root.rename(tmp_path / "moved")
    assert Workspace(tmp_path / "moved").network == "testnet"


def test_init_refuses_what_it_would_damage(tmp_path):
    Workspace.init(tmp_path)
    before = (tmp_path / "etdb.toml").read_bytes()
    with pytest.raises(ConfigurationError, match="already"):
        Workspace.init(tmp_path)
    assert (tmp_path / "etdb.toml").read_bytes() == before
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="not a folder"):
        Workspace.init(tmp_path / "file")
    with pytest.raises(StorageError):
        Workspace.init(tmp_path / "file" / "below")
    with pytest.raises(ConfigurationError, match="not a network"):
        Workspace.init(tmp_path / "new", "mars")
    assert not (tmp_path / "new").exists()


def test_find_prefers_the_named_then_the_variable_then_the_nearest(tmp_path, monkeypatch):
    outer, inner, other = (Workspace.init(tmp_path / p).root for p in ("o", "o/i", "x"))
    deep = inner / "deep" / "er"
    deep.mkdir(parents=True)
    monkeypatch.delenv("ETDB_WORKSPACE", raising=False)
    assert Workspace.find(start=deep).root == inner
    assert Workspace.find(start=outer).root == outer
    monkeypatch.setenv("ETDB_WORKSPACE", str(other))
    assert Workspace.find(start=deep).root == other
    assert Workspace.find(outer, start=deep).root == outer


def test_find_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.delenv("ETDB_WORKSPACE", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        Workspace.find(start=tmp_path)
    assert "etdb init" in caught.value.hint
    with pytest.raises(ConfigurationError, match="not a workspace"):
        Workspace.find(tmp_path)


def test_describe_folder_tells_worth_and_size(tmp_path):
    space = Workspace.init(tmp_path)
    (space.content_folder / "m").write_bytes(b"12345")
    space.catalogue_path.write_bytes(b"1234567")
    space.digests_path.write_bytes(b"123")
    space.digests_path.with_name("digests.sqlite-wal").write_bytes(b"12")
    (space.cache_folder / "link").symlink_to("/etc/passwd")
    by_name = {holding.name: holding for holding in space.describe_folder()}
    assert {n: (h.worth, h.size_bytes, h.files) for n, h in by_name.items() if n != "settings"} == {
        "keys": ("precious", 0, 0),
        "journal": ("precious", 0, 0),
        "sync": ("precious", 0, 0),
        "reports": ("free", 0, 0),
        "chain": ("precious", 0, 0),
        "content": ("precious", 5, 1),
        "previews": ("costly", 0, 0),
        "digests": ("costly", 5, 2),
        "cache": ("free", 7, 1),
    }
    assert not by_name["journal"].exists


def test_locks_exclude_and_let_go(tmp_path):
    space = Workspace.init(tmp_path)
    with space.lock("publish"):
        with pytest.raises(LockedError) as caught, space.lock("publish"):
            pass
        assert caught.value.fields["pid"] == os.getpid()
        with space.lock("index"):
            pass
    shared = space.lock("publish", shared=True), space.lock("publish", shared=True)
    with shared[0], shared[1], pytest.raises(LockedError), space.lock("publish"):
        pass
    with space.lock("publish"):
        pass


def test_lock_of_another_process_names_it_and_dies_with_it(tmp_path):
    space = Workspace.init(tmp_path)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
                import sys
                from etdb.workspace.locks import hold_lock
                from pathlib import Path
                sys.argv = ["/usr/bin/etdb", "key", "import", "SecretWif", "x"]
                with hold_lock(Path(sys.stdin.readline().strip())):
                    sys.stdout.write("held\\n"); sys.stdout.flush()
                    sys.stdin.read()
            """),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        holder.stdin.write(f"{space.root / 'locks' / 'publish.lock'}\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError) as caught, space.lock("publish"):
            pass
        assert f"process {holder.pid} (etdb key import)" in caught.value.message
        assert "SecretWif" not in repr(caught.value.to_dict())
    finally:
        holder.kill()
        holder.communicate()
    with space.lock("publish"):
        pass


def test_a_lock_file_with_rubbish_still_tells_that_it_is_held(tmp_path):
    space = Workspace.init(tmp_path)
    with space.lock("publish"):
        (space.root / "locks" / "publish.lock").write_bytes(b"\xff rubbish")
        with pytest.raises(LockedError, match="another process"), space.lock("publish"):
            pass


def test_who_is_patient_gets_a_lock_that_is_held_for_a_moment(tmp_path):
    workspace = Workspace.init(tmp_path / "w")
    held, let_go = threading.Event(), threading.Event()

    def hold():
        with workspace.lock("index"):
            held.set()
            let_go.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(LockedError), workspace.lock("index"):
        pass
    threading.Timer(0.2, let_go.set).start()
    with workspace.lock("index", patience_s=10):
        assert let_go.is_set()
    thread.join()
