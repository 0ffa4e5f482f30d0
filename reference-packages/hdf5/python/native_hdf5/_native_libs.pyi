# native_library_provider() writes the module during the build, next to the installed library.
from typing import Any

FORMAT: int
DISTRIBUTION: str
VERSION: str
COMPATIBILITY: str
REQUIREMENT: str
PACKAGE: str
NAMES: tuple[str, ...]
LIBRARIES: dict[str, dict[str, Any]]
