"""Every target of staging, by the same tests. Real SSH is in tests/interop."""

import os
import time
from contextlib import closing, contextmanager

import pytest

from etdb.errors import ConfigurationError, FormatError, SourceError
from etdb.stage import WrongBytesError
from etdb.stage.folder import FolderTarget
from etdb.stage.s3 import S3Target
from etdb.stage.ssh import SshTarget
from etdb.testing.fake_s3 import fake_s3
from etdb.testing.stage import FAKE_SSH, Inside, StageTargetContract, piece_of


def inside_of(folder):
    def read():
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def begin(piece, data):
        part = (folder / piece.name).with_name(f".{piece.name.rpartition('/')[2]}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)

    return Inside(read, begin)


class TestFolder(StageTargetContract):
    @contextmanager
    def target_of(self, tmp_path):
        with closing(FolderTarget(tmp_path / "out")) as target:
            yield target, inside_of(tmp_path / "out")

    def test_what_nobody_goes_on_with_is_removed(self, tmp_path):
        with self.target_of(tmp_path) as (target, inside):
            assert_old_parts_go(target, inside, tmp_path / "out")

    def test_others_can_read_whatever_the_mask_is(self, tmp_path):
        before = os.umask(0o077)
        try:
            FolderTarget(tmp_path / "out").put(piece := piece_of(tmp_path / "here", b"x"))
        finally:
            os.umask(before)
        assert (tmp_path / "out" / piece.name).stat().st_mode & 0o777 == 0o644
        assert (tmp_path / "out" / "content").stat().st_mode & 0o777 == 0o755


def assert_old_parts_go(target, inside, folder):
    """What a try left that nobody goes on with: its dataset was withdrawn meanwhile."""
    old, new = (piece_of(folder.parent / "here", name) for name in (b"old", b"new"))
    for piece in (old, new):
        inside.begin(piece, b"half")
    (left,) = folder.rglob(f".{old.path.name}.part")
    os.utime(left, (time.time() - 9 * 86_400,) * 2)
    assert target.present() == {}
    assert [path.name for path in folder.rglob("*.part")] == [f".{new.path.name}.part"]


class TestSsh(StageTargetContract):
    @pytest.fixture(autouse=True)
    def ssh_that_goes_nowhere(self, tmp_path, monkeypatch):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "ssh").write_text(FAKE_SSH)
        (tmp_path / "bin" / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    @contextmanager
    def target_of(self, tmp_path):
        folder = tmp_path / "a folder; with 'odd' $(letters)"
        url = f"ssh://drop@www.example.org:2222{str(folder).replace(' ', '%20')}"
        with closing(SshTarget(url)) as target:
            yield target, inside_of(folder)

    def test_what_nobody_goes_on_with_is_removed(self, tmp_path):
        with self.target_of(tmp_path) as (target, inside):
            assert_old_parts_go(target, inside, tmp_path / "a folder; with 'odd' $(letters)")

    def test_addresses_that_are_none(self):
        for url in (
            "ssh://h",
            "ssh://-oProxyCommand=x/f",
            "ssh://u:s3cret@h/f",
            "ssh://h/f?x",
            "ssh://-l@h/f",
            "ssh:///f",
        ):
            with pytest.raises(ConfigurationError) as caught:
                SshTarget(url)
            assert "s3cret" not in caught.value.message

    def test_what_ssh_says_is_told(self, tmp_path):
        (tmp_path / "bin" / "ssh").write_text(
            "#!/bin/sh\necho 'drop@h: Permission denied (publickey).' >&2\nexit 255\n"
        )
        with closing(SshTarget("ssh://drop@h/srv")) as target, pytest.raises(SourceError, match="Permission denied"):
            target.present()

    def test_a_listing_that_nobody_can_mean_is_passed_over(self, tmp_path):
        name = piece_of(tmp_path / "here", b"x").name
        lines = [f"-rw-r--r-- 1 0 0 {size} Jan 1 00:00 {name}" for size in ("7", "9" * 5_000, "-1", "²")]
        (tmp_path / "listing").write_text("\n".join(lines))
        (tmp_path / "bin" / "ssh").write_text(f"#!/bin/sh\ncat '{tmp_path}/listing'\n")
        with closing(SshTarget("ssh://drop@h/srv")) as target:
            assert target.present() == {name: 7}

    @pytest.mark.parametrize("stream", ["", ">&2"])
    def test_a_host_that_says_without_an_end_is_left(self, tmp_path, monkeypatch, stream):
        monkeypatch.setattr("etdb.stage.ssh.MAX_SAID_BYTES", 1 << 20)
        script = f'#!/bin/sh\n[ "$1" = -o ] && exit 0\nexec yes {stream}\n'  # not where its end is asked for
        (tmp_path / "bin" / "ssh").write_text(script)
        with closing(SshTarget("ssh://drop@h/srv")) as target:
            with pytest.raises(FormatError, match="more than"):
                target.present()
            with pytest.raises(FormatError, match="more than"):
                target.put(piece_of(tmp_path / "here", b"x" * 10_000_000))  # which it never reads


class TestS3(StageTargetContract):
    part_bytes = 50_000  # so that some files go whole and some in parts

    @pytest.fixture(autouse=True)
    def keys(self, monkeypatch, tmp_path):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    @contextmanager
    def target_of(self, tmp_path):
        with fake_s3() as store:
            self.store = store

            def begin(piece, data):
                upload = store.begin(f"etdb/{piece.name}")
                for number, start in enumerate(range(0, len(data) - self.part_bytes + 1, self.part_bytes), 1):
                    store.uploads[upload][1][number] = data[start : start + self.part_bytes]

            def read():
                return {key.removeprefix("etdb/"): data for key, data in store.objects.items()}

            with closing(S3Target("s3://bucket/etdb", endpoint_url=store.url, part_bytes=self.part_bytes)) as target:
                yield target, Inside(read, begin)

    def test_a_store_that_keeps_other_bytes(self, tmp_path):
        with self.target_of(tmp_path) as (target, _):
            self.store.spoils = True
            for says in (True, False):
                self.store.says_checksums = says
                with pytest.raises(WrongBytesError):
                    target.put(piece_of(tmp_path / "here", b"x" * 300_000))
                assert target.present() == {}

    def test_a_store_that_says_no_checksums_is_read_back(self, tmp_path):
        with self.target_of(tmp_path) as (target, _):
            self.store.says_checksums = False
            target.put(piece := piece_of(tmp_path / "here", b"x" * 300_000))
            assert f"GET etdb/{piece.name}" in self.store.requests

    def test_a_store_that_is_away(self):
        with pytest.raises(SourceError) as caught, closing(S3Target("s3://b", endpoint_url="http://127.0.0.1:9")) as s3:
            s3.present()
        assert "s3cret" not in caught.value.message

    @pytest.mark.parametrize(
        "says",
        [*({name: None} for name in ("Key", "Size", "UploadId", "PartNumber", "ETag")), {"Size": "many"}],
        ids=str,
    )
    def test_a_store_that_answers_otherwise_than_s3_is_refused(self, tmp_path, says):
        with self.target_of(tmp_path) as (target, inside):
            data = bytes(range(256)) * 1000
            target.put(piece_of(tmp_path / "here", b"x"))
            inside.begin(piece := piece_of(tmp_path / "here", data), data[:150_000])
            self.store.says = says
            ask = target.present if "Size" in says else lambda: target.put(piece)
            with pytest.raises(FormatError, match="otherwise than S3 does"):
                ask()

    def test_parts_that_are_there_are_not_sent_again(self, tmp_path):
        with self.target_of(tmp_path) as (target, inside):
            data = bytes(range(256)) * 1000
            inside.begin(piece := piece_of(tmp_path / "here", data), data[:150_000])
            target.put(piece)
            sent = [line.split()[-1] for line in self.store.requests if line.startswith("PUT")]
            assert sent == ["4", "5", "6"]
            assert inside.read() == {piece.name: data}
