"""Reads and writes PNG files with the libpng and the zlib of other wheels."""

from . import _native_requires
from ._shared_lib_consumer import load_requirements

# Before the extension module is imported: the operating system then finds its libraries loaded.
load_requirements(_native_requires)

from ._ext import PngError, crc32
from ._image import Image, read, write

__all__ = ["Image", "PngError", "crc32", "read", "write"]
