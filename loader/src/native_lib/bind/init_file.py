"""Put the call that loads the libraries into a package's ``__init__.py``."""

from __future__ import annotations

import ast
import re

from native_lib.bind import BindError

# The names begin with an underscore: they are the package's from now on.
CALL = """\
# Written by native-lib: load what the extension modules of this package were linked against.
from . import _native_requires
from ._shared_lib_consumer import load_requirements as _load_requirements

_load_requirements(_native_requires)
"""
_FUNCTION = "load_requirements"
# A stranger's function of that name reads a requirements.txt.
_OURS = re.compile(rb"_native_requires|_shared_lib_consumer")
_BOM = b"\xef\xbb\xbf"
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_COMMENT = re.compile(rb"[ \t\f]*#")


def with_call(path: str, source: bytes) -> bytes:
    """Return the source of a package with the call below its docstring and ``__future__`` imports.

    All other bytes stay as they are. A source that has a call of ``load_requirements`` is returned.

    Args:
        path: for messages.
        source: the file ``__init__.py``.

    Raises:
        BindError: it cannot be parsed, or has no line where the call could be.
    """
    tree = _parse(path, source)
    if _OURS.search(source) and calls(tree):
        return source
    head = sum(1 for _ in _head(tree))
    start = len(_BOM) if source.startswith(_BOM) else 0
    lines = [found[0] for found in _LINE.finditer(source, start)]
    at = (tree.body[head - 1].end_lineno or 0) if head else _comments(lines)
    end = next(
        (line[len(line.rstrip(b"\r\n")) :] for line in lines if line.endswith((b"\r", b"\n"))),
        b"\n",
    )
    call = CALL.encode().replace(b"\n", end)
    before, after = b"".join(lines[:at]), b"".join(lines[at:])
    if before:
        call = (b"" if before.endswith((b"\r", b"\n")) else end) + end + call
    if after.strip():
        call += b"" if after.startswith((b"\r", b"\n")) else end
    changed = source[:start] + before + call + after
    # A second statement on the last line, or a backslash at its end.
    if _told(_parse(path, changed).body) != _told(
        [*tree.body[:head], *ast.parse(CALL).body, *tree.body[head:]]
    ):
        raise BindError(
            f"{path} has another statement on the line of its docstring or __future__ import: write it "
            "on a line of its own"
        )
    return changed


def calls(tree: ast.AST) -> bool:
    """Tell whether a module calls ``load_requirements`` itself, under whatever prefix."""
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = (
        each.id if isinstance(each, ast.Name) else getattr(each, "attr", "") for each in called
    )
    return any(name.lstrip("_") == _FUNCTION for name in names)


def is_namespace(source: bytes) -> bool:
    """Tell whether an ``__init__.py`` is that of an old-style namespace package.

    Several distributions have this file, and the one that is installed last wins.
    """
    return re.search(rb"\b(?:extend_path|declare_namespace)\b", source) is not None


def _parse(path: str, source: bytes) -> ast.Module:
    try:
        return ast.parse(source)
    # What ast raises for damaged or overlong texts differs between Pythons.
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BindError(f"{path} cannot be parsed by this Python: {error}") from None


def _head(tree: ast.Module) -> list[ast.stmt]:
    """Return the statements that must stay first."""
    found = tree.body[:1] if ast.get_docstring(tree, clean=False) is not None else []
    for node in tree.body[len(found) :]:
        if not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        found.append(node)
    return found


def _comments(lines: list[bytes]) -> int:
    """Return how many lines a module's leading comments have: a coding line is the first or second."""
    at = 0
    while at < len(lines) and (
        _COMMENT.match(lines[at]) or (at < 2 and not lines[at].strip() and _has_coding(lines))
    ):
        at += 1
    return at


def _has_coding(lines: list[bytes]) -> bool:
    return len(lines) > 1 and _COMMENT.match(lines[1]) is not None


def _told(body: list[ast.stmt]) -> list[str]:
    return [ast.dump(node) for node in body]
