from _typeshed import ReadableBuffer

class PngError(ValueError):
    """A file is no PNG file, is damaged, or is larger than allowed."""

def decode(data: ReadableBuffer, max_bytes: int, /) -> tuple[int, int, int, int, bytes]:
    """Return width, height, channels, bit depth and pixels of the PNG file in a buffer."""

def encode(
    width: int,
    height: int,
    channels: int,
    bit_depth: int,
    data: ReadableBuffer,
    compression: int,
    /,
) -> bytes:
    """Return a PNG file with the pixels in a buffer."""

def crc32(data: ReadableBuffer, value: int = 0, /) -> int:
    """Return the CRC-32 of a buffer."""

def versions() -> dict[str, str]:
    """Return the versions of the libraries that are loaded, and of the headers at build time."""
