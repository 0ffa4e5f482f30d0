"""Read the files that the build writes, without importing them."""

from __future__ import annotations

import ast
from typing import Any

MANIFEST, REQUIRES = "_native_libs.py", "_native_requires.py"
# Real files have a few thousand bytes; parsing needs hundreds of bytes of memory for each.
_MAX_SIZE = 1 << 18


class LiteralsError(Exception):
    """A module does not consist of assignments of literals; the message says why."""


def read_literals(source: bytes) -> dict[str, Any]:
    """Read a module of assignments of literals; see `docs/reference/files.md`.

    Args:
        source: the module.

    Returns:
        The values by name.

    Raises:
        LiteralsError: it contains something else.
    """
    if len(source) > _MAX_SIZE:
        raise LiteralsError(f"is larger than what a build writes: {len(source)} bytes")
    try:
        return {
            ast.unparse(node.targets[0]): ast.literal_eval(node.value)
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign)
        }
    # What ast raises for damaged or overlong texts differs between Pythons.
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise LiteralsError(f"is not made of literals: {error}") from error
