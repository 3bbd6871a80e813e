import hashlib
import threading
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from etdb.download.runninghash import RunningHash


def reader(data):
    def read(offset, buffer):
        piece = data[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece) == len(buffer)

    return read


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8), st.randoms(), st.integers(1, 64))
def test_any_order_of_any_pieces_gives_the_hash_of_the_whole(data, cuts, random, room):
    ends = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    pieces = list(pairwise(ends))
    random.shuffle(pieces)
    running = RunningHash(reader(data))
    buffer = memoryview(bytearray(room))
    for number, (start, stop) in enumerate(pieces):
        running.ready(start, stop, buffer)
        if number < len(pieces) - 1:
            assert running.digest(len(data)) is None
    assert running.digest(len(data)) == hashlib.sha256(data).digest()


def test_from_many_threads():
    data = bytes(range(256)) * 4096
    step = 1000
    pieces = [(at, min(at + step, len(data))) for at in range(0, len(data), step)]
    running = RunningHash(reader(data))

    def work(mine):
        buffer = memoryview(bytearray(300))
        for start, stop in mine:
            running.ready(start, stop, buffer)

    threads = [threading.Thread(target=work, args=(pieces[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert running.digest(len(data)) == hashlib.sha256(data).digest()


def test_what_cannot_be_read_gives_nothing():
    running = RunningHash(lambda _offset, _buffer: False)
    running.ready(0, 5, memoryview(bytearray(5)))
    assert running.digest(5) is None
