"""Folders of the machine that built a binary, among its strings."""

from __future__ import annotations

import re

# Where CI services, manylinux images and people build.
_ROOTS = (
    *(b"/home/", b"/Users/", b"/root/", b"/tmp/", b"/build/", b"/project/", b"/io/"),
    *(b":\\Users\\", b":\\a\\"),
)
_WHOLE = re.compile(rb"[!#-~]{1,300}(?=[\0\"])")
# Where libraries look for files when they run: an OpenSSL's certificates, a plugin, a table.
_LOOKED_IN = re.compile(
    rb"[/\\](?:etc|ssl|certs|share|lib|lib64|libexec|plugins|modules|engines[-\d_.]*)(?:[/\\]|$)"
)
# Sources that a message names, debug information, and folders of headers, are not opened.
_SOURCE = re.compile(
    rb"\.(?:[chm]|[chit]?(?:cc|pp|xx|hh|\+\+)|mm|in[cl]|[sS]|asm|[lyf]|f\d\d|rs|go|pyx?|cuh?|pdb)$"
    rb"|[/\\](?:include(?:[/\\]|$)|$)"
)
_MOST = 3


def build_folders(strings: bytes) -> tuple[str, ...]:
    """Return the folders and files of a build machine that code may look for.

    Args:
        strings: the section of a binary that has its constant texts; each ends with a zero byte.
    """
    found: dict[str, None] = {}
    for root in _ROOTS:
        at = strings.find(root)
        while at >= 0 and len(found) < _MOST:
            start = at - root.startswith(b":")
            whole = _WHOLE.match(strings, start)
            if whole and strings[max(start - 1, 0) : start] in (b"", b"\0", b'"'):
                path = whole[0]
                if _LOOKED_IN.search(path) and not _SOURCE.search(path):
                    found[path.decode("ascii")] = None
            at = strings.find(root, at + len(root))
    return tuple(found)
