"""The provider's side, for whoever installs this distribution rather than vendoring the file."""

from native_lib.support.shared_lib_manager import (
    LibraryConflictError,
    LibraryLoader,
    LibraryNotFoundError,
    LoadedLibrary,
    LoadMode,
    NativeLibraryError,
    PlatformLibrary,
)

__all__ = [
    "LibraryConflictError",
    "LibraryLoader",
    "LibraryNotFoundError",
    "LoadMode",
    "LoadedLibrary",
    "NativeLibraryError",
    "PlatformLibrary",
]
