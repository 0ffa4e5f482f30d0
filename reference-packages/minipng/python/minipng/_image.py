"""Images, and how they get from and into files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import _ext

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrPath


@dataclass(frozen=True, slots=True)
class Image:
    """The pixels of an image, row by row from the top, without gaps.

    Attributes:
        width: pixels in a row, 1 to 500 000.
        height: rows, 1 to 500 000.
        channels: samples of a pixel: 1 is gray, 2 gray and alpha, 3 RGB, 4 RGBA.
        bit_depth: of a sample, 8 or 16.
        data: the samples; those of 16 bit are in the machine's byte order. `read` gives bytes,
            `write` takes any C-contiguous buffer and does not copy it.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    data: bytes | bytearray | memoryview


def read(source: StrPath | ReadableBuffer, *, max_bytes: int = 1 << 30) -> Image:
    """Read a PNG file.

    Palettes, transparent colours and depths below 8 bit are expanded, so every image has one of the
    eight kinds that `Image` describes. Colours are as in the file: gamma and profiles are not
    applied, and are not read.

    Args:
        source: a path, or the file's content in a bytes-like object. What follows the image's end
            is ignored.
        max_bytes: how large the pixels may be. Nothing of that size is allocated before a larger
            image is refused.

    Returns:
        The image; its data is a bytes object.

    Raises:
        PngError: it is no PNG file, is incomplete or damaged, or is larger than allowed.
        OSError: the file cannot be read.
    """
    if not isinstance(source, (str, os.PathLike)):
        return Image(*_ext.decode(source, max_bytes))
    try:
        return Image(*_ext.decode(Path(source).read_bytes(), max_bytes))
    except _ext.PngError as error:
        raise _ext.PngError(f"{source}: {error}") from None


def write(path: StrPath, image: Image, *, compression: int = 6) -> None:
    """Write a PNG file, whole or not at all: a file of that name is replaced at the end.

    Args:
        path: where to.
        image: what.
        compression: 0, not at all, to 9, as small as zlib can.

    Raises:
        ValueError: the compression or a fact of the image is out of its range, or the data has
            another size than those facts say.
        OSError: the file cannot be written.
    """
    content = _ext.encode(
        image.width, image.height, image.channels, image.bit_depth, image.data, compression
    )
    path = Path(path)
    # Beside it, since only within one file system is replacing a single step. Not by `tempfile`,
    # whose files nobody else may read.
    temporary = path.with_name(f".minipng-{os.urandom(8).hex()}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
