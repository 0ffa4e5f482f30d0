"""The consumer's side, for whoever installs this distribution rather than vendoring the file."""

from native_lib.support.shared_lib_consumer import (
    __getattr__,
    load_library_module,
    load_requirements,
)

__all__ = [
    "LibraryNotFoundError",
    "LibraryVersionError",
    "NativeLibraryError",
    "__getattr__",  # imports the error classes
    "load_library_module",
    "load_requirements",
]
