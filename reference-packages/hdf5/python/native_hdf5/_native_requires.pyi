# native_library_consumer() writes the module during the build, next to the extension module.
from typing import Any

FORMAT: int
REQUIRES: tuple[dict[str, Any], ...]
