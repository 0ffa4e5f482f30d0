"""The provider's side, for whoever installs this distribution rather than vendoring the file."""

from native_lib.support.shared_lib_manager import (
    LibraryLoader,
    LoadedLibrary,
    LoadMode,
    PlatformLibrary,
    __getattr__,
)

__all__ = [
    "LibraryConflictError",
    "LibraryLoader",
    "LibraryNotFoundError",
    "LoadMode",
    "LoadedLibrary",
    "NativeLibraryError",
    "PlatformLibrary",
    "__getattr__",  # imports the error classes
]
