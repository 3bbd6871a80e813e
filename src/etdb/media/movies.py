"""Movies: grey frames through ffmpeg into an MP4 that every browser plays.

ffmpeg comes with the package imageio-ffmpeg and runs as a process of its own, fed by a pipe (ADR 0026). When we end,
however that may be, the pipe closes and it ends too; when it stands still, it is ended.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from etdb.durable import says_disk_full
from etdb.errors import EtdbError
from etdb.media.extras import import_extra

__all__ = ["MAX_MOVIE_BYTES_PER_S", "MovieError", "ffmpeg_path", "movie_command", "write_movie"]

STALL_S: Final = 120
"""ffmpeg is ended when it has not taken a frame, or not come to its end, for so long."""
_MAX_WORDS = 2000
_CRF = "23"
_MAX_RATE = ("6M", "12M")
MAX_MOVIE_BYTES_PER_S: Final = 750_000
"""The same rate in bytes: no movie is much longer than this in its time."""
_THREADS = "2"


class MovieError(EtdbError):
    """ffmpeg did not make the movie."""

    code = "movie"
    exit_status = 7


def ffmpeg_path() -> Path:
    """The ffmpeg that comes with imageio-ffmpeg.

    Raises:
        MissingExtraError: it is not installed.
    """
    package = import_extra("imageio_ffmpeg", "previews", what="making movies")
    try:
        return Path(package.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MovieError(
            f"imageio-ffmpeg has no ffmpeg for this machine: {error}", hint="install ffmpeg, or use --no-previews"
        ) from error


def movie_command(ffmpeg: Path, size: tuple[int, int], frames_per_second: float, target: Path) -> Sequence[str]:
    """How ffmpeg is called: grey frames from standard input to H.264 in MP4.

    High profile, 4:2:0, limited range, the index in front, an own picture every second, no audio track; at most 6
    Mbit/s. The same frames give the same bytes with the same ffmpeg.

    Args:
        ffmpeg: the program.
        size: width and height, both even.
        frames_per_second: of the movie.
        target: what it writes.
    """
    width, height = size
    rate = f"{frames_per_second:g}"
    colour = "bt709"
    return [
        *(str(ffmpeg), "-hide_banner", "-nostats", "-loglevel", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}", "-r", rate, "-i", "pipe:0"),
        *("-an", "-vf", "scale=in_range=full:out_range=limited,format=yuv420p"),
        *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-pix_fmt", "yuv420p"),
        *("-crf", _CRF, "-maxrate", _MAX_RATE[0], "-bufsize", _MAX_RATE[1], "-threads", _THREADS),
        # Threads that share a frame: those that take frames of their own come to other bytes when they are limited.
        *("-x264-params", "sliced-threads=1"),
        *("-g", str(max(1, round(frames_per_second))), "-rc-lookahead", "10"),
        *("-color_range", "tv", "-colorspace", colour, "-color_primaries", colour, "-color_trc", colour),
        *("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"),
        *("-movflags", "+faststart", "-f", "mp4", str(target)),
    ]


def write_movie(
    frames: Iterable[NDArray[np.uint8]], size: tuple[int, int], frames_per_second: float, target: Path
) -> None:
    """Encode frames.

    Args:
        frames: `(height, width)` each.
        size: width and height of all of them, both even.
        frames_per_second: of the movie.
        target: a file that is written; what a failure leaves of it is removed.

    Raises:
        MovieError: ffmpeg refuses, fails or stands still; with its own words.
        MissingExtraError: it is not installed.
        OSError: there is no room for it.
    """
    command = movie_command(ffmpeg_path(), size, frames_per_second, target)
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=words, start_new_session=True
        )
        guard = _Guard(process)
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # it ended early: its status and its words say why
                for frame in frames:
                    guard.wait_from_now()
                    process.stdin.write(np.ascontiguousarray(frame).data)
                    guard.pause()
                guard.wait_from_now()
                process.stdin.close()
            status = process.wait()
        except BaseException:
            process.kill()
            with contextlib.suppress(OSError):
                target.unlink(missing_ok=True)
            raise
        finally:
            guard.pause()
            process.wait()
            with contextlib.suppress(OSError):
                process.stdin.close()
        if status != 0 or guard.has_ended:
            with contextlib.suppress(OSError):
                target.unlink(missing_ok=True)
            said = _said(words, status, guard)
            if says_disk_full(said):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
            raise MovieError(f"ffmpeg did not make {target.name}: {said}")


class _Guard:
    """Ends a process that makes no progress."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._timer: threading.Timer | None = None
        self.has_ended = False

    def wait_from_now(self) -> None:
        """It has so long from here."""
        self.pause()
        self._timer = threading.Timer(STALL_S, self._end)
        self._timer.daemon = True
        self._timer.start()

    def pause(self) -> None:
        """It is waited for no more: we are at work."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self.has_ended = True
        self._process.kill()


def _said(words: IO[bytes], status: int, guard: _Guard) -> str:
    if guard.has_ended:
        return f"it stood still for {STALL_S} s"
    words.seek(0, os.SEEK_END)
    words.seek(max(0, words.tell() - _MAX_WORDS))
    text = " ".join(words.read().decode("utf-8", "replace").split())
    return text or f"it ended with status {status}"
