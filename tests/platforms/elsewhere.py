"""Run a Python of another C library or another machine with the pair that was built for it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building

if TYPE_CHECKING:
    from pathlib import Path

FOO = (
    'const char *foo_version(void) { return "another"; } double foo_square(double x) { return -x; }'
)


@dataclass(frozen=True)
class Elsewhere:
    """A Python of another kind, with provider and consumer in folders of their own."""

    python: Path
    folder: Path
    compiler: Path
    library_name: str = "libfoo__foo.so.1"
    # What runs a command on another machine, where the Python is of one.
    enter: tuple[Path, ...] = ()

    @property
    def provider(self) -> Path:
        """The provider's package."""
        return self.folder / "one" / "libfoo"

    @property
    def consumer(self) -> Path:
        """The consumer's package."""
        return self.folder / "another" / "foo_ext"

    @property
    def library(self) -> Path:
        """The provider's library."""
        return self.provider / "lib" / self.library_name

    @property
    def env(self) -> dict[str, str]:
        """What makes the two packages importable."""
        return {"PYTHONPATH": f"{self.provider.parent}:{self.consumer.parent}"}

    def command(self, code: str, **env: str) -> tuple[str | Path, ...]:
        """Return the command that runs code in a fresh process.

        The variables are set where the Python is: this machine's programs could not preload its files.
        """
        variables = {**self.env, **env}
        return (
            *self.enter,
            "env",
            *(f"{k}={v}" for k, v in variables.items()),
            self.python,
            "-c",
            code,
        )

    def run(self, code: str, **env: str) -> str:
        """Run code in a fresh process and return all it printed."""
        return building.run(*self.command(code, **env), cwd=self.folder)

    def fail(self, code: str, **env: str) -> str:
        """Run code that must fail, and return all it printed."""
        return building.run(*self.command(code, **env), cwd=self.folder, fails=True)

    def add(self, site: Path, provider: str, consumer: str) -> None:
        """Add another pair to the two folders."""
        shutil.copytree(site / provider, self.provider.parent / provider)
        shutil.copytree(site / consumer, self.consumer.parent / consumer)
        # As in most environments: the errors' fix lines name what there is to install with.
        (self.provider.parent / "pip.py").touch()

    def mapped(self, code: str, part: str, **env: str) -> list[str]:
        """Run code, then return the files mapped in that process whose path has a part in it."""
        said = self.run(f"{code}\n{building.MAPPED}\nprint(*mapped({part!r}), sep='\\n')", **env)
        return [line for line in said.splitlines() if line.startswith("/")]

    def compile(self, file: Path, source: str = FOO, *options: str, soname: str = "") -> Path:
        """Compile a library for it."""
        return building.compile_library(
            source, file, *options, soname=soname or file.name, compiler=str(self.compiler)
        )

    def stranger(self, folder: str) -> Path:
        """Another library of the same name that has the same functions."""
        return self.compile(self.folder / folder / self.library.name)
