"""Tests of the installed minipng.

The PNG files in here are put together, and taken apart, with the standard library: what minipng
writes is not only read by minipng, and what it reads was not written by libpng.
"""

from __future__ import annotations

import array
import os
import pickle
import random
import struct
import subprocess
import sys
import threading
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import minipng
import pytest
from minipng import _ext, _libraries, _native_requires

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Pixel = tuple[int, ...]
Rows = list[list[Pixel]]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}
# The kinds of file that the standard allows.
KINDS = [
    *((GRAY, depth) for depth in (1, 2, 4, 8, 16)),
    *((PALETTE, depth) for depth in (1, 2, 4, 8)),
    *((color, depth) for color in (RGB, GRAY_ALPHA, RGBA) for depth in (8, 16)),
]
# Where each of the seven passes of an interlaced file begins, and its steps.
ADAM7 = [
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
]


# Files, by hand. ---------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def header(width: int, height: int, depth: int, color: int, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))


def pack(row: list[Pixel], depth: int) -> bytes:
    samples = [sample for pixel in row for sample in pixel]
    if depth == 16:
        return struct.pack(f">{len(samples)}H", *samples)
    bits = "".join(f"{sample:0{depth}b}" for sample in samples)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def file_of(
    rows: Rows, color: int, depth: int, *, before: Sequence[bytes] = (), interlaced: bool = False
) -> bytes:
    """Return a PNG file with these pixels, and these chunks before them."""
    width, height = len(rows[0]), len(rows)
    parts = [rows]
    if interlaced:
        parts = [[row[x::dx] for row in rows[y::dy]] for x, y, dx, dy in ADAM7]
    lines = [b"\0" + pack(row, depth) for part in parts for row in part if row]
    pixels = zlib.compress(b"".join(lines))
    head = header(width, height, depth, color, interlaced)
    return b"".join([SIGNATURE, head, *before, chunk(b"IDAT", pixels), chunk(b"IEND")])


def pixels_of(file: bytes) -> bytes:
    """Return the samples in a PNG file that is not interlaced, filters undone, in file order."""
    at, kinds = len(SIGNATURE), dict[bytes, bytes]()
    while at < len(file):
        (size,) = struct.unpack_from(">I", file, at)
        kind = file[at + 4 : at + 8]
        kinds[kind] = kinds.get(kind, b"") + file[at + 8 : at + 8 + size]
        at += 12 + size
    width, height, depth, color = struct.unpack_from(">IIBB", kinds[b"IHDR"])
    step = CHANNELS[color] * depth // 8
    packed = zlib.decompress(kinds[b"IDAT"])
    above, result = bytearray(step + width * step), b""
    for y in range(height):
        method, *line = packed[y * (1 + width * step) : (y + 1) * (1 + width * step)]
        row = bytearray(step)  # a pixel of zeros on the left, as the filters want it
        for number, value in enumerate(line):
            a, b, c = row[number], above[number + step], above[number]
            # Ties go to a, then to b.
            paeth = min((a, b, c), key=lambda near: abs(a + b - c - near))
            row.append((value + (0, a, b, (a + b) // 2, paeth)[method]) & 255)
        result += row[step:]
        above = row
    return result


def random_rows(width: int, height: int, color: int, depth: int) -> Rows:
    chance = random.Random(f"{width} {height} {color} {depth}")
    return [
        [tuple(chance.getrandbits(depth) for _ in range(CHANNELS[color])) for _ in range(width)]
        for _ in range(height)
    ]


def samples(rows: Rows, depth: int) -> bytes:
    """Return what minipng is to make of these rows."""
    values = [sample for row in rows for pixel in row for sample in pixel]
    if depth == 16:
        return array.array("H", values).tobytes()
    return bytes(value * 255 // ((1 << depth) - 1) for value in values)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def flat_file(width: int, height: int) -> bytes:
    """Return a file of a few kilobytes whose image is large."""
    content = _ext.encode(width, height, 1, 8, bytes(width * height), 9)
    assert len(content) < width * height // 500
    return content


SMALL = file_of(random_rows(5, 4, RGBA, 8), RGBA, 8)


# Reading. ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("interlaced", [False, True], ids=["plain", "interlaced"])
@pytest.mark.parametrize(("color", "depth"), KINDS)
def test_every_kind_of_file_is_read(color: int, depth: int, interlaced: bool) -> None:
    table = [bytes(random.Random(index).randbytes(3)) for index in range(1 << min(depth, 8))]
    before = [chunk(b"PLTE", b"".join(table))] if color == PALETTE else []
    for width, height in [(1, 1), (2, 3), (9, 1), (1, 9), (8, 8), (33, 17)]:
        rows = random_rows(width, height, color, depth)
        image = minipng.read(file_of(rows, color, depth, before=before, interlaced=interlaced))
        expected = samples(rows, depth)
        if color == PALETTE:
            expected = b"".join(table[index] for row in rows for (index,) in row)
        channels = 3 if color == PALETTE else CHANNELS[color]
        assert image == minipng.Image(width, height, channels, max(depth, 8), expected)
        assert type(image.data) is bytes


def test_interlaced_images_of_every_small_size_are_read() -> None:
    for width, height in product(range(1, 18), repeat=2):
        rows = random_rows(width, height, GRAY_ALPHA, 8)
        image = minipng.read(file_of(rows, GRAY_ALPHA, 8, interlaced=True))
        assert (image.width, image.height) == (width, height)
        assert image.data == samples(rows, 8)


def test_transparent_palette_becomes_rgba() -> None:
    before = [chunk(b"PLTE", bytes([1, 2, 3, 4, 5, 6, 7, 8, 9])), chunk(b"tRNS", bytes([0, 128]))]
    image = minipng.read(file_of([[(0,), (1,), (2,)]], PALETTE, 2, before=before))
    assert image == minipng.Image(3, 1, 4, 8, bytes([1, 2, 3, 0, 4, 5, 6, 128, 7, 8, 9, 255]))


@pytest.mark.parametrize(("color", "depth"), [kind for kind in KINDS if kind[0] in (GRAY, RGB)])
def test_transparent_colour_becomes_alpha(color: int, depth: int) -> None:
    rows = random_rows(5, 5, color, depth)
    key = rows[2][2]
    before = [chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))]
    image = minipng.read(file_of(rows, color, depth, before=before))
    opaque = (1 << depth) - 1
    with_alpha = [[(*pixel, 0 if pixel == key else opaque) for pixel in row] for row in rows]
    assert image.channels == CHANNELS[color] + 1
    assert image.data == samples(with_alpha, depth)


@pytest.mark.parametrize(
    "make", [bytes, bytearray, memoryview, lambda file: array.array("B", file)]
)
def test_every_kind_of_buffer_is_read(make: Any) -> None:
    assert minipng.read(make(SMALL)) == minipng.read(SMALL)


def test_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    path.write_bytes(SMALL)
    assert minipng.read(path) == minipng.read(str(path)) == minipng.read(SMALL)


def test_what_follows_the_end_is_ignored() -> None:
    assert minipng.read(SMALL + noise(1000)) == minipng.read(SMALL)


def test_metadata_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(200_000_000), 9)
    before = [
        chunk(b"iCCP", b"name\0\0" + bomb),
        chunk(b"zTXt", b"name\0\0" + bomb),
        chunk(b"iTXt", b"name\0\1\0\0\0" + bomb),
        *[chunk(b"tEXt", b"name\0text")] * 5000,
    ]
    rows = random_rows(3, 3, RGB, 8)
    assert minipng.read(file_of(rows, RGB, 8, before=before)).data == samples(rows, 8)


# What is no image. -------------------------------------------------------------------------------


def damaged(kind: bytes, data: bytes) -> bytes:
    """Return a small gray file in which one chunk has this data, or is added."""
    chunks = {b"IHDR": header(4, 2, 8, GRAY), b"IDAT": chunk(b"IDAT", zlib.compress(bytes(10)))}
    if kind in chunks:
        chunks[kind] = chunk(kind, data)
    else:
        chunks = {b"IHDR": chunks[b"IHDR"], kind: chunk(kind, data), b"IDAT": chunks[b"IDAT"]}
    return SIGNATURE + b"".join(chunks.values()) + chunk(b"IEND")


def test_damaged_begins_with_a_good_file() -> None:
    assert minipng.read(damaged(b"tEXt", b"a\0b")).data == bytes(8)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "ends too early"),
        (b"GIF89a and so on", "Not a PNG file"),
        (SIGNATURE, "ends too early"),
        (SIGNATURE + header(4, 2, 8, GRAY) + chunk(b"IEND"), "IEND"),
        (SIGNATURE + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND"), "IHDR"),
        (file_of([[(0,)]], PALETTE, 8), "PLTE"),
        (damaged(b"IHDR", bytes(13)), "IHDR"),
        (damaged(b"IHDR", struct.pack(">IIBBBBB", 4, 2, 3, 0, 0, 0, 0)), "IHDR"),
        (damaged(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0)), "IHDR"),
        (damaged(b"IDAT", zlib.compress(bytes(9))), "Not enough image data"),
        (damaged(b"IDAT", zlib.compress(bytes(11))), "Too much image data"),
        (damaged(b"IDAT", zlib.compress(bytes(10))[:-1] + b"!"), "incorrect data check"),
        (damaged(b"IDAT", zlib.compress(b"\7" + bytes(9))), "bad adaptive filter value"),
        (damaged(b"IDAT", b"no zlib stream"), "IDAT"),
        (damaged(b"tRNS", b"\0"), "tRNS"),
        (damaged(b"MUST", b""), "MUST"),
        (SMALL[:-12], "ends too early"),
    ],
)
def test_what_is_no_image_is_refused(file: bytes, message: str) -> None:
    with pytest.raises(minipng.PngError, match=message):
        minipng.read(file)


def test_file_that_breaks_off_is_refused_wherever_it_does() -> None:
    for size in range(len(SMALL)):
        with pytest.raises(minipng.PngError):
            minipng.read(SMALL[:size])


def test_file_with_one_wrong_bit_is_refused_whichever_it_is() -> None:
    file = bytearray(file_of([[(1, 2, 3)]], RGB, 8, before=[chunk(b"tEXt", b"name\0text")]))
    for bit in range(len(file) * 8):
        file[bit // 8] ^= 1 << bit % 8
        with pytest.raises(minipng.PngError):
            minipng.read(file)
        file[bit // 8] ^= 1 << bit % 8
    minipng.read(file)


def test_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(b"This is no image.")
    with pytest.raises(minipng.PngError) as caught:
        minipng.read(path)
    assert str(caught.value) == f"{path}: Not a PNG file"


def test_error_is_a_value_error_of_minipng() -> None:
    assert issubclass(minipng.PngError, ValueError)
    assert (minipng.PngError.__module__, minipng.PngError.__name__) == ("minipng", "PngError")
    assert type(pickle.loads(pickle.dumps(minipng.PngError("why")))) is minipng.PngError


@pytest.mark.parametrize("interlaced", [False, True], ids=["plain", "interlaced"])
def test_largest_size_is_allowed_and_the_next_is_not(interlaced: bool) -> None:
    file = file_of(random_rows(5, 4, RGBA, 16), RGBA, 16, interlaced=interlaced)
    assert len(minipng.read(file, max_bytes=160).data) == 160
    message = "5 x 4 pixels decode to 160 bytes, more than the limit of 159"
    with pytest.raises(minipng.PngError, match=message):
        minipng.read(file, max_bytes=159)


@pytest.mark.parametrize("max_bytes", [0, -1, -(2**80)])
def test_nothing_can_be_allowed(max_bytes: int) -> None:
    with pytest.raises(minipng.PngError, match="more than the limit"):
        minipng.read(SMALL, max_bytes=max_bytes)


def test_limit_counts_what_transparency_adds() -> None:
    file = file_of([[(7,)] * 10], GRAY, 8, before=[chunk(b"tRNS", b"\0\1")])
    assert len(minipng.read(file, max_bytes=20).data) == 20
    with pytest.raises(minipng.PngError, match="20 bytes"):
        minipng.read(file, max_bytes=19)


def test_everything_can_be_allowed() -> None:
    assert minipng.read(SMALL, max_bytes=2**80) == minipng.read(SMALL)


def test_large_image_is_refused_by_default_without_being_allocated() -> None:
    file = SIGNATURE + header(500_000, 500_000, 16, RGBA) + chunk(b"IDAT") + chunk(b"IEND")
    tracemalloc.start()
    try:
        with pytest.raises(minipng.PngError, match="2000000000000 bytes"):
            minipng.read(file)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_sides_have_limits() -> None:
    for width, height in [(500_001, 1), (1, 500_001)]:
        file = SIGNATURE + header(width, height, 1, GRAY) + chunk(b"IDAT") + chunk(b"IEND")
        with pytest.raises(minipng.PngError, match="IHDR"):
            minipng.read(file, max_bytes=2**62)
    assert str(minipng.Image.__doc__).count(" 1 to 500 000.") == 2


# Writing. ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [0, 1, 6, 9])
@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kind_of_image_is_written_and_read(
    channels: int, bit_depth: int, compression: int, tmp_path: Path
) -> None:
    path = tmp_path / "image.png"
    for width, height in [(1, 1), (7, 5), (300, 40)]:
        size = width * height * channels * bit_depth // 8
        image = minipng.Image(width, height, channels, bit_depth, noise(size))
        minipng.write(path, image, compression=compression)
        assert minipng.read(path) == image


@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_written_is_right_by_the_standard(channels: int, bit_depth: int) -> None:
    # Slopes, so that libpng has use for its filters.
    values = [
        (3 * x + 5 * y + 7 * channel) * (1 << bit_depth - 8) + x
        for y, x, channel in product(range(13), range(16), range(channels))
    ]
    data = array.array("H" if bit_depth == 16 else "B", values)
    content = _ext.encode(16, 13, channels, bit_depth, data, 6)
    in_file = struct.pack(f">{len(values)}H", *values) if bit_depth == 16 else bytes(values)
    assert pixels_of(content) == in_file


def test_compression_compresses() -> None:
    data = bytes(range(250)) * 40
    sizes = [len(_ext.encode(100, 100, 1, 8, data, level)) for level in (0, 1, 9)]
    assert sizes[0] > 10_000 > sizes[1] >= sizes[2]


@pytest.mark.parametrize(
    "data",
    [
        bytearray(range(16)),
        memoryview(bytes(range(16))),
        memoryview(bytes(range(16))).cast("B", (2, 8)),
        array.array("H", range(8)),
        array.array("d", [1.5, 2.5]),
    ],
    ids=lambda data: type(data).__name__,
)
def test_every_kind_of_buffer_is_written(data: Any) -> None:
    content = _ext.encode(4, 2, 1, 16, data, 6)
    assert minipng.read(content).data == bytes(memoryview(data))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ((0, 1, 1, 8), "width must be 1 to 500000, not 0"),
        ((-1, 1, 1, 8), "width must be 1 to 500000, not -1"),
        ((500_001, 1, 1, 8), "width must be 1 to 500000, not 500001"),
        ((2**80, 1, 1, 8), "width must be 1 to 500000"),
        ((2**32 + 1, 1, 1, 8), "width must be 1 to 500000, not 4294967297"),
        ((1, 0, 1, 8), "height must be 1 to 500000, not 0"),
        ((1, -(2**80), 1, 8), "height must be 1 to 500000"),
        ((1, 1, 0, 8), "channels must be 1 to 4, not 0"),
        ((1, 1, 5, 8), "channels must be 1 to 4, not 5"),
        ((1, 1, 1, 4), "bit_depth must be 8 or 16, not 4"),
        ((1, 1, 1, 2**32 + 8), "bit_depth must be 8 or 16, not 4294967304"),
        (
            (2, 3, 4, 16),
            "2 x 3 pixels with 4 channels of 16 bit are 48 bytes, data has 1",
        ),
        (
            (500_000, 500_000, 4, 16),
            "500000 x 500000 pixels with 4 channels of 16 bit are 2000000000000 bytes, data has 1",
        ),
    ],
)
def test_wrong_facts_are_refused(
    facts: tuple[int, int, int, int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        minipng.write(tmp_path / "image.png", minipng.Image(*facts, b"\0"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compression", [-1, 10, 2**80])
def test_wrong_compression_is_refused(compression: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="compression must be 0 to 9"):
        minipng.write(tmp_path / "x.png", minipng.Image(1, 1, 1, 8, b"\0"), compression=compression)
    assert list(tmp_path.iterdir()) == []


def test_wrong_types_are_refused() -> None:
    wrong: Any = "text"
    with pytest.raises(TypeError):
        _ext.decode(wrong, 100)
    with pytest.raises(TypeError):
        _ext.encode(1, 1, 1, 8, wrong, 6)
    with pytest.raises(TypeError):
        _ext.encode(1, wrong, 1, 8, b"\0", 6)
    wrong = 1.5
    with pytest.raises(TypeError):
        minipng.read(SMALL, max_bytes=wrong)
    with pytest.raises(BufferError):
        _ext.encode(4, 1, 1, 8, memoryview(bytes(8))[::2], 6)


def test_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="data has 1"):
        minipng.write(path, minipng.Image(2, 2, 1, 8, b"\0"))
    assert path.read_bytes() == b"old"
    minipng.write(path, minipng.Image(1, 1, 1, 8, b"\0"))
    assert minipng.read(path).data == b"\0"
    assert list(tmp_path.iterdir()) == [path]


def test_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    image = minipng.Image(1, 1, 1, 8, b"\0")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OSError, match="folder"):
        minipng.write(tmp_path / "folder.png", image)
    with pytest.raises(FileNotFoundError):
        minipng.write(tmp_path / "missing" / "image.png", image)
    assert list(tmp_path.iterdir()) == [tmp_path / "folder.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask to speak of")
def test_file_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    before = os.umask(0o027)
    try:
        minipng.write(path, minipng.Image(1, 1, 1, 8, b"\0"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


# Buffers and threads. ----------------------------------------------------------------------------


def test_buffers_are_not_copied() -> None:
    large = bytearray(flat_file(1000, 4000) + noise(8_000_000))
    pixels = bytearray(4_000_000)
    tracemalloc.start()
    try:
        image = minipng.read(large)
        assert len(image.data) == 4_000_000
        assert 4_000_000 < tracemalloc.get_traced_memory()[1] < 4_100_000
        del image
        tracemalloc.reset_peak()
        _ext.encode(1000, 4000, 1, 8, pixels, 6)
        minipng.crc32(pixels)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_buffers_are_given_back() -> None:
    good, bad, pixels = bytearray(SMALL), bytearray(SMALL[:-1]), bytearray(3)
    minipng.read(good)
    with pytest.raises(minipng.PngError):
        minipng.read(bad)
    with pytest.raises(ValueError, match="data has 3"):
        _ext.encode(1, 1, 1, 8, pixels, 6)
    minipng.crc32(pixels)
    for buffer in (good, bad, pixels):
        buffer.append(0)  # a BufferError while somebody holds it


def test_threads_read_and_write_at_once() -> None:
    def work(seed: int) -> bool:
        size = 100 + seed
        image = minipng.Image(size, 50, 4, 16, random.Random(seed).randbytes(size * 50 * 8))
        content = _ext.encode(size, 50, 4, 16, image.data, 1)
        with pytest.raises(minipng.PngError, match="ends too early"):
            minipng.read(content[:-20])
        return minipng.read(content) == image

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))


@pytest.mark.parametrize("work", ["decode", "encode", "crc32"])
def test_other_threads_run_meanwhile(work: str) -> None:
    pixels = bytes(64_000_000)
    content = flat_file(8000, 8000)
    calls: dict[str, Callable[[], object]] = {
        "decode": lambda: _ext.decode(content, 1 << 30),
        "encode": lambda: _ext.encode(8000, 8000, 1, 8, pixels, 1),
        "crc32": lambda: [_ext.crc32(pixels) for _ in range(5)],
    }
    is_done = False

    def call() -> None:
        nonlocal is_done
        is_begun.set()
        calls[work]()
        is_done = True

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody is asked to give up the GIL: it must be released
    try:
        for _ in range(5):  # a busy machine may let us wait until the other thread is done
            is_begun, is_done = threading.Event(), False
            thread = threading.Thread(target=call)
            thread.start()
            is_begun.wait()
            was_done = is_done
            thread.join()
            if not was_done:
                return
    finally:
        sys.setswitchinterval(interval)
    pytest.fail(f"no other thread ran during {work}")


# The rest. ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 7, 16_383, 16_384, 1_000_003])
@pytest.mark.parametrize("value", [0, 1, 0xFFFFFFFF, -1, 2**40 + 5])
def test_crc32_is_the_one_of_the_standard_library(size: int, value: int) -> None:
    data = noise(size)
    assert minipng.crc32(data, value) == zlib.crc32(data, value)
    assert minipng.crc32(array.array("B", data), value) == zlib.crc32(data, value)


def test_crc32_begins_with_zero() -> None:
    assert minipng.crc32(b"123456789") == 0xCBF43926


def test_versions_fit() -> None:
    versions = _ext.versions()
    assert sorted(versions) == ["libpng", "libpng_header", "zlib", "zlib_header"]
    # libpng itself insists on the first two numbers, zlib on the first.
    assert versions["libpng"].split(".")[:2] == versions["libpng_header"].split(".")[:2]
    assert versions["zlib"].split(".")[0] == versions["zlib_header"].split(".")[0]


def command_line(
    *arguments: str | Path, encoding: str = "utf-8"
) -> tuple[int, list[str], list[str]]:
    done = subprocess.run(
        [sys.executable, "-m", "minipng", *map(str, arguments)],
        capture_output=True,
        encoding=encoding,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def test_command_line_shows_good_files_and_complains_of_bad_ones(tmp_path: Path) -> None:
    good, bad, palette = (tmp_path / name for name in ("good.png", "bad.png", "palette.png"))
    good.write_bytes(SMALL)
    bad.write_bytes(SMALL[:50])
    table = chunk(b"PLTE", bytes(3))
    palette.write_bytes(file_of([[(0,)]], PALETTE, 1, before=[table]))
    status, shown, complaints = command_line(good, bad, tmp_path / "missing.png", palette)
    assert status == 1
    assert shown == [
        f"{good}: 5 x 4, 8 bit RGBA, 80 bytes decoded",
        f"{palette}: 1 x 1, 8 bit RGB, 3 bytes decoded",
    ]
    assert complaints == [
        f"minipng: {bad}: the file ends too early",
        f"minipng: {tmp_path / 'missing.png'}: No such file or directory",
    ]
    assert command_line(good) == (0, shown[:1], [])


@pytest.mark.parametrize(
    ("encoding", "name", "shown"),
    [
        ("ascii", "b\N{LATIN SMALL LETTER A WITH DIAERESIS}r.png", r"b\xe4r.png"),
        pytest.param(
            *("utf-8", "bad\udcff.png", r"bad\udcff.png"),
            marks=pytest.mark.skipif(sys.platform != "linux", reason="such a name is Linux's"),
        ),
    ],
    ids=["not in the encoding", "in no encoding"],
)
def test_command_line_shows_every_name(
    tmp_path: Path, encoding: str, name: str, shown: str
) -> None:
    (tmp_path / name).write_bytes(SMALL)
    found = command_line(tmp_path / name, tmp_path / f"no {name}", encoding=encoding)
    assert found == (
        1,
        [f"{tmp_path / shown}: 5 x 4, 8 bit RGBA, 80 bytes decoded"],
        [f"minipng: {tmp_path / f'no {shown}'}: No such file or directory"],
    )


def test_command_line_says_how_it_is_used() -> None:
    status, shown, complaints = command_line()
    assert (status, shown) == (2, [])
    assert complaints[0].startswith("usage: python -m minipng")
    assert command_line("--nonsense") == (status, shown, complaints)
    assert command_line("--help") == (0, complaints, [])


def test_command_line_shows_the_libraries() -> None:
    status, shown, complaints = command_line("--libraries")
    assert (status, complaints) == (0, [])
    if not _native_requires.REQUIRES:
        assert shown[0].startswith("minipng was built against the system's libraries")
        return
    assert shown[-1].startswith("shared: one libpng and one zlib")


@pytest.mark.skipif(
    not _native_requires.REQUIRES, reason="built against the system's library (NATIVE_LIB_SYSTEM)"
)
def test_libraries_are_the_providers() -> None:
    sharing = _libraries.examine()
    assert sharing.complaints == ()
    for library in sharing.libraries:
        (mapped,) = library.mapped
        assert Path(mapped).samefile(library.path)
    assert [Path(use.answer).name.split("__")[0] for use in sharing.uses] == [
        *("native_libpng", "native_zlib", "native_zlib")
    ]


def test_package_holds_no_copy() -> None:
    folder = Path(_native_requires.__file__ or "").parent
    suffixes = {".so", ".dylib", ".dll", ".pyd"}
    libraries = [path.name for path in folder.rglob("*") if suffixes & set(path.suffixes)]
    assert [name for name in libraries if not name.startswith("_ext.")] == []
