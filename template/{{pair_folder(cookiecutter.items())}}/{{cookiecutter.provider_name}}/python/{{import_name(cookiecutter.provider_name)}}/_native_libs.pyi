# The module itself is written by NativeLibrary.cmake, next to the installed library.
from typing import Any

FORMAT: int
DISTRIBUTION: str
VERSION: str
COMPATIBILITY: str
REQUIREMENT: str
PACKAGE: str
LIBRARIES: dict[str, dict[str, Any]]
