"""Read a wheel without unpacking it to disk."""

from __future__ import annotations

import hashlib
import re
import stat
import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar, cast

from packaging.utils import InvalidWheelFilename

from native_lib.check.binary import Binary, CorruptBinaryError
from native_lib.check.bombs import MAX_FILE, MAX_FILES, MAX_RATIO, MAX_TOTAL
from native_lib.check.leaks import Headers, headers_of
from native_lib.check.markers import may_hold
from native_lib.check.packing import is_so, packing_of, record_of
from native_lib.check.reach import lost_in
from native_lib.check.read import damage, is_binary, read_binary, unknown_kind
from native_lib.check.records import (
    MAX_PACKAGE,
    VENDORED,
    code_with_loader,
    imported_by,
    imports_of,
    is_code,
    manifest_of,
    opens_for_all,
    opens_libraries,
    requirements_of,
    requires_of,
)
from native_lib.check.wheel import Unread, UnusableError, Wheel
from native_lib.file_names import parse_wheel
from native_lib.known.manifest import manifest_of_known
from native_lib.literals import MANIFEST, REQUIRES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from packaging.tags import Tag
    from packaging.version import Version

    Read = Callable[[str, bytes], tuple[Binary, ...]]

SMALL = 32 << 20
_HEADERS = (".h", ".hh", ".hpp", ".hxx", ".inc")
MAX_HEADERS = 32 << 20
MAX_TEXT = 16 << 20
# A build that goes wrong damages all its files, or a few; each takes time.
_MAX_CORRUPT = 100
_PART = 1 << 20

T = TypeVar("T")
_NO_BINARIES = (".py", ".pyi", ".h", ".hpp", ".txt", ".md", ".json", ".html", ".js", ".css", ".csv")


def read_wheel(
    path: Path, read: Read = read_binary, *, keep_going: bool = False, has_hashes: bool = True
) -> Wheel:
    """Read a wheel.

    Args:
        path: its file.
        read: reads a binary; what it raises passes through, except CorruptBinaryError.
        keep_going: whether a corrupt binary is only recorded. By default the wheel is unusable.
        has_hashes: whether files are compared with RECORD and with each other; it takes time.

    Returns:
        What the rules look at.

    Raises:
        UnusableError: it is not a wheel, or is not safe to read.
    """
    if not path.exists():
        raise UnusableError("cannot be read: No such file or directory")
    try:
        distribution, version, tags = parse_wheel(path.name)
    except InvalidWheelFilename as error:
        raise UnusableError(f"not a wheel: {error}") from error
    try:
        with zipfile.ZipFile(path) as archive:
            return _Contents(archive, read, keep_going, has_hashes).wheel(
                path, distribution, version, tags
            )
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnusableError(f"cannot be read: {reason}") from error
    # Compression or encryption that zipfile does not know; numbers that no zip can have.
    except (RuntimeError, ValueError, OverflowError, LookupError, struct.error) as error:
        raise UnusableError(f"cannot be read: {error}") from error


class _Contents:
    """Return the files of an archive, if it is safe to read."""

    def __init__(
        self, archive: zipfile.ZipFile, read: Read, keep_going: bool, has_hashes: bool
    ) -> None:
        self.archive = archive
        self.read = read
        self.has_hashes = has_hashes
        self.most_corrupt = _MAX_CORRUPT if keep_going else 0
        # Folders and duplicate names too: an installer may unpack another duplicate than zipfile does.
        entries = archive.infolist()
        if len(entries) > MAX_FILES:
            raise UnusableError(f"zip bomb: {len(entries)} files")
        for entry in entries:
            _check_member(entry.filename, entry)
        size = sum(entry.file_size for entry in entries)
        packed = sum(entry.compress_size for entry in entries)
        if size > MAX_TOTAL and size > MAX_RATIO * packed:
            raise UnusableError(f"zip bomb: {size} bytes in all")
        self.members = {entry.filename: entry for entry in entries if not entry.is_dir()}
        self.names = [entry.filename for entry in entries if not entry.is_dir()]

    def wheel(self, path: Path, distribution: str, version: Version, tags: frozenset[Tag]) -> Wheel:
        info = self._info()
        record = self._optional(f"{info}/RECORD", record_of)
        digests: dict[str, str] = {}
        binaries: list[Binary] = []
        altered: list[str] = []
        unread: list[Unread] = []
        for name, member in self.members.items():
            line = (record or {}).get(name)
            hasher = line.hasher() if line and self.has_hashes else None
            with cast("zipfile.ZipExtFile", self.archive.open(name)) as file:
                # By the first bytes, where the name does not tell.
                head = b"" if name.endswith(_NO_BINARIES) else file.peek(8)[:8]
                kind = unknown_kind(name, head) if head else ""
                if kind:
                    unread.append(Unread(name, kind, is_corrupt=False))
                if reason := damage(name, head):
                    unread.append(Unread(name, reason, is_corrupt=True))
                if is_binary(head):
                    content = self.archive.read(name)  # `file` would copy it behind its first bytes
                    found = self._binaries(name, content, unread)
                    binaries += found
                    if hasher:
                        hasher.update(content)
                    if found and self.has_hashes:
                        # Once is enough: to hash a large library takes as long as to read it.
                        sha256 = hasher if hasher and hasher.name == "sha256" else None
                        digests[name] = (sha256 or hashlib.sha256(content)).hexdigest()
                elif hasher:
                    while part := file.read(_PART):
                        hasher.update(part)
            if line and hasher and not is_so(line, hasher.digest(), member.file_size):
                altered.append(name)
        texts = [n for n in self.members if n.endswith((".cmake", ".pc"))]
        vendored = [n for n in self.members if PurePosixPath(n).name in VENDORED]
        manifests = tuple(manifest_of(n, self._text(n)) for n in self._named(MANIFEST))
        manifests = manifests or manifest_of_known(
            distribution, version, self.members, binaries, self._text
        )
        link_files = [f for m in manifests for each in m.libraries for f in each.link_files]
        packages = [
            n for n in self._named("__init__.py") if self.members[n].file_size <= MAX_PACKAGE
        ]
        sources = {n: self._text(n) for n in packages}
        return Wheel(
            path=path,
            distribution=distribution,
            version=version,
            tags=tags,
            requirements=requirements_of(
                self._text(f"{info}/METADATA"), lambda marker: may_hold(marker, tags)
            ),
            files=tuple(self.members),
            symlinks=tuple(n for n, m in self.members.items() if stat.S_ISLNK(_mode(m))),
            binaries=tuple(binaries),
            digests=digests,
            manifests=manifests,
            requires=tuple(
                required
                for n in self._named(REQUIRES)
                for required in requires_of(n, self._text(n))
            ),
            texts={name: self._text(name).decode("utf-8", "replace") for name in texts},
            vendored={name: self._text(name) for name in vendored},
            imports={n: imports_of(source) for n, source in sources.items()},
            link_files={name: self._text(name) for name in link_files if name in self.members},
            unread=tuple(unread),
            headers=self._headers(binaries) if manifests or vendored else Headers(),
            imported=frozenset(
                name
                for n in code_with_loader(self.members)
                if self.members[n].file_size <= MAX_PACKAGE
                for name in imported_by(self._text(n))
            ),
            opens_for_all=any(map(opens_for_all, sources.values())),
            opens_libraries=bool(lost_in(binaries)) and self._opens_libraries(),
            packing=packing_of(
                info, self.names, record, altered, self._optional(f"{info}/WHEEL", bytes)
            ),
        )

    def _opens_libraries(self) -> bool:
        # A table of a megabyte is code, too.
        code = (n for n, m in self.members.items() if is_code(n) and m.file_size <= MAX_TEXT)
        return any(opens_libraries(self._text(name)) for name in code)

    def _binaries(self, name: str, content: bytes, unread: list[Unread]) -> tuple[Binary, ...]:
        try:
            return self.read(name, content)
        except CorruptBinaryError as error:
            unread.append(Unread(name, str(error), is_corrupt=True))
            if sum(each.is_corrupt for each in unread) > self.most_corrupt:
                raise UnusableError(f"corrupt binary {name}: {error}") from error
            return ()

    def _named(self, leaf: str) -> list[str]:
        return [n for n in self.members if PurePosixPath(n).name == leaf]

    def _headers(self, binaries: list[Binary]) -> Headers:
        """Return which exported names a provider's headers declare."""
        names = [
            n for n, m in self.members.items() if n.endswith(_HEADERS) and m.file_size <= MAX_TEXT
        ]
        if sum(self.members[n].file_size for n in names) > MAX_HEADERS:
            return Headers()
        exported = frozenset(export.name for binary in binaries for export in binary.exports)
        return headers_of(map(self._text, names), exported)

    def _text(self, name: str) -> bytes:
        if self.members[name].file_size > MAX_TEXT:
            raise UnusableError(f"{name} is too large for a text")
        return self.archive.read(name)

    def _optional(self, name: str, read: Callable[[bytes], T]) -> T | None:
        return read(self._text(name)) if name in self.members else None

    def _info(self) -> str:
        names = [n for n in self.members if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)]
        if len(names) != 1:
            raise UnusableError(f"not a wheel: {len(names)} files *.dist-info/METADATA in it")
        return names[0].partition("/")[0]


def _mode(member: zipfile.ZipInfo) -> int:
    return member.external_attr >> 16


def _check_member(name: str, member: zipfile.ZipInfo) -> None:
    outside = name.startswith("/") or "\\" in name or ":" in name.partition("/")[0]
    if not name or outside or ".." in name.split("/") or "\0" in name:
        raise UnusableError(f"path outside of the wheel: {name!r}")
    size, packed = member.file_size, member.compress_size
    if size > MAX_FILE or (size > SMALL and size > MAX_RATIO * packed):
        raise UnusableError(f"zip bomb: {name!r} unpacks from {packed} to {size} bytes")
