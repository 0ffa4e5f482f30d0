"""The pair in two folders that have nothing in common, on the operating system that runs the tests."""

from __future__ import annotations

import os
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FILES = {"darwin": "libfoo__foo.1.dylib", "win32": "libfoo__foo-1.dll"}


@dataclass(frozen=True)
class Apart:
    """A folder with spaces and letters of all kinds in its name, and the pair below it, unpacked."""

    folder: Path

    @property
    def one(self) -> Path:
        """The provider's folder."""
        return self.folder / "one"

    @property
    def another(self) -> Path:
        """The consumer's folder."""
        return self.folder / "another"

    @property
    def library(self) -> Path:
        """The provider's library."""
        return self.one / "libfoo" / "lib" / _FILES[sys.platform]

    @property
    def extension(self) -> Path:
        """The consumer's extension module."""
        (found,) = (p for p in (self.another / "foo_ext").iterdir() if p.suffix in (".so", ".pyd"))
        return found

    @property
    def theirs(self) -> Path:
        """Where another file of the library's name can be; its folder is there."""
        folder = self.folder / "theirs"
        folder.mkdir(exist_ok=True)
        return folder / self.library.name

    def without_the_loader(self) -> None:
        """Have the consumer import its extension module, and nothing before it."""
        init = self.another / "foo_ext" / "__init__.py"
        init.write_text("from ._ext import square\n", encoding="utf-8")

    def run(self, code: str, *, fails: bool = False, env: Mapping[str, str] | None = None) -> str:
        """Run code in a fresh process that finds both, and return all it printed."""
        paths = os.pathsep.join([str(self.one), str(self.another)])
        variables = {"PYTHONPATH": paths, "PYTHONUTF8": "1", **(env or {})}
        return building.run(sys.executable, "-c", code, env=variables, cwd=self.folder, fails=fails)


def unpack(pair: building.Pair, folder: Path) -> Apart:
    """Unpack a pair's wheels below a folder."""
    made = Apart(folder / "a b ünï 日本")
    for wheel, where in ((pair.provider, made.one), (pair.consumer, made.another)):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(where)
    return made
