"""Movies, decoded again by ffmpeg, and looked into as bytes."""

from __future__ import annotations

import errno
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from etdb.media import MovieError, movies, write_movie


def decoded(path, size):
    """What ffmpeg reads from a movie, and what it says of it."""
    command = [str(movies.ffmpeg_path()), "-hide_banner", "-i", str(path), "-f", "rawvideo"]
    command += ["-vf", "scale=in_range=limited:out_range=full,format=gray", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, size[1], size[0]), done.stderr.decode()


def boxes(data):
    place, found = 0, []
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, place + 8)
        found.append(kind.decode())
        place += size
    return found


@pytest.fixture
def frames():
    y, x = np.mgrid[0:96, 0:128]
    return [(127 + 120 * np.sin((x + 4 * n) / 9) * np.cos(y / 7)).astype(np.uint8) for n in range(24)]


def test_every_browser_can_play_it_and_the_frames_come_back(tmp_path, frames):
    path = tmp_path / "a.mp4"
    write_movie(iter(frames), (128, 96), 12, path)
    data = path.read_bytes()
    kinds = boxes(data)
    assert kinds[0] == "ftyp"
    assert kinds.index("moov") < kinds.index("mdat")
    read, words = decoded(path, (128, 96))
    assert re.search(r"Video: h264 \(High\).*yuv420p\(tv, bt709", words)
    assert "12 fps" in words
    assert "Audio" not in words
    assert len(read) == len(frames)
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(read, frames, strict=True)) < 3
    # Black and white stay what they are: the range was told right.
    assert abs(int(read[0].max()) - int(frames[0].max())) < 8
    assert abs(int(read[0].min()) - int(frames[0].min())) < 8


def test_the_same_frames_give_the_same_bytes(tmp_path):
    """Also where the limit of the rate is at work, as with noise."""
    dice = np.random.default_rng(0)
    noise = [dice.integers(0, 255, (384, 512), dtype=np.uint8) for _ in range(30)]
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        write_movie(iter(noise), (512, 384), 10, tmp_path / name)
    first, *others = ((tmp_path / name).read_bytes() for name in ("a.mp4", "b.mp4", "c.mp4"))
    assert others == [first, first]
    assert len(first) < 3 * 6_000_000 / 8 * 1.7  # three seconds of noise, and what the buffer lets through


def test_a_failure_says_why_and_leaves_nothing(tmp_path, frames):
    with pytest.raises(MovieError, match=r"a\.mp4.*No such file"):
        write_movie(iter(frames), (128, 96), 12, tmp_path / "missing" / "a.mp4")
    with pytest.raises(MovieError, match=r"odd\.mp4"):
        write_movie(iter([f[:, :127] for f in frames]), (127, 96), 12, tmp_path / "odd.mp4")

    def breaks():
        yield frames[0]
        raise ValueError("the disk went away")

    with pytest.raises(ValueError, match="went away"):
        write_movie(breaks(), (128, 96), 12, tmp_path / "b.mp4")
    assert list(tmp_path.iterdir()) == []


def test_no_room_is_told_apart_from_what_ffmpeg_cannot_do(tmp_path, monkeypatch):
    """A dataset is not published for good without its movie because a disk was full for a night."""
    command = movies.movie_command

    def within_a_limit(*words):
        return ["sh", "-c", "trap '' XFSZ; ulimit -f 20; exec \"$@\"", "sh", *command(*words)]

    monkeypatch.setattr(movies, "movie_command", within_a_limit)
    dice = np.random.default_rng(1)
    noise = [dice.integers(0, 255, (96, 128), dtype=np.uint8) for _ in range(60)]
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        write_movie(iter(noise), (128, 96), 10, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_who_stands_still_is_ended(tmp_path, frames, monkeypatch):
    monkeypatch.setattr(movies, "STALL_S", 0.2)
    monkeypatch.setattr(movies, "movie_command", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(MovieError, match="stood still"):
        write_movie(iter(frames), (128, 96), 12, tmp_path / "a.mp4")


def test_it_ends_with_us(tmp_path):
    """A process that is killed while it feeds ffmpeg leaves none running."""
    code = (
        "import numpy as np, sys, time\nfrom pathlib import Path\nfrom etdb.media import write_movie\n"
        "def frames():\n    yield np.zeros((96, 128), np.uint8)\n    print('fed', flush=True)\n    time.sleep(60)\n"
        "write_movie(frames(), (128, 96), 12, Path(sys.argv[1]))"
    )
    target = tmp_path / "killed.mp4"
    with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"fed\n"
        process.kill()
    for _ in range(200):
        if not running_with(str(target)):
            break
        time.sleep(0.05)
    assert running_with(str(target)) == []


def running_with(word):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if word.encode() in words:
            found.append(folder.name)
    return found
