"""The HDF5 library.

``loader.load()`` opens it, and zlib before it; importing this package loads nothing.
"""

from . import _native_libs, _native_requires
from ._shared_lib_consumer import load_requirements
from ._shared_lib_manager import LibraryLoader

__all__ = ["loader"]

loader = LibraryLoader.from_manifest(
    _native_libs, requires=lambda: load_requirements(_native_requires)
)
