"""The sodium library.

``loader.load()`` opens it; importing this package loads nothing.
"""

from . import _native_libs
from ._shared_lib_manager import LibraryLoader

__all__ = ["loader"]

loader = LibraryLoader.from_manifest(_native_libs)
