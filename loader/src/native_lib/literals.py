"""Read the files that the build writes, without importing them."""

from __future__ import annotations

import ast
from typing import Any

MANIFEST, REQUIRES = "_native_libs.py", "_native_requires.py"
# Real files have a few thousand bytes; parsing needs hundreds of bytes of memory for each.
_MAX_SIZE = 1 << 18


class LiteralsError(Exception):
    """A manifest or record cannot be read; the message names it and says why."""


class NewerFormatError(LiteralsError):
    """It has a format that is newer than this native-lib."""


def read_literals(path: object, source: bytes, known: int) -> dict[str, Any]:
    """Read a module of assignments of literals; see `docs/reference/files.md`.

    Args:
        path: for messages.
        source: the module.
        known: the newest FORMAT that can be read.

    Returns:
        The values by name.

    Raises:
        LiteralsError: it contains something else, or has no FORMAT or a newer one.
    """
    if len(source) > _MAX_SIZE:
        raise LiteralsError(f"{path} is larger than what a build writes: {len(source)} bytes")
    try:
        values = {
            ast.unparse(node.targets[0]): ast.literal_eval(node.value)
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign)
        }
    # What ast raises for damaged or overlong texts differs between Pythons.
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise LiteralsError(f"{path} is not made of literals: {error}") from error
    told = values.get("FORMAT")
    if not isinstance(told, int):
        raise LiteralsError(f"{path} does not say its FORMAT")
    if told > known:
        raise NewerFormatError(
            f"{path} has format {told}, and this native-lib reads formats up to {known}: update it"
        )
    return values
