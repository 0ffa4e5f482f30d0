# The module itself is written by NativeLibrary.cmake, next to the extension module.
from typing import Any

FORMAT: int
REQUIRES: tuple[dict[str, Any], ...]
