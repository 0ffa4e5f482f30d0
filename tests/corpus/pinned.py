"""The wheels of `wheels.txt`, downloaded once and kept in a cache."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import building
import upstream_sources
from native_lib.file_names import parse_wheel

HERE = Path(__file__).parent
_CACHE = upstream_sources.CACHE / "corpus"
_AT_ONCE = 4


@dataclass(frozen=True)
class Pinned:
    """A file on PyPI."""

    sha256: str
    name: str

    @property
    def project(self) -> str:
        """The normalized name of its distribution."""
        return str(parse_wheel(self.name)[0])


def read(name: str) -> tuple[Pinned, ...]:
    """Return what a list here has: a SHA-256 and a file's name in each line."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return tuple(Pinned(*line.split()) for line in lines if not line.startswith("#"))


def download(wheels: tuple[Pinned, ...]) -> list[Path]:
    """Return the files, those that are not in the cache from PyPI.

    Raises:
        building.CommandError: pip cannot get one, or it has another hash.
    """
    _CACHE.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(_get, wheels))


def _get(wheel: Pinned) -> Path:
    path = _CACHE / wheel.name
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == wheel.sha256:
        return path
    distribution, version, tags = parse_wheel(wheel.name)
    interpreters = sorted(tag.interpreter for tag in tags)
    python = interpreters[-1][2:]  # cp313, py3
    options = [
        *("--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--require-hashes"),
        f"--python-version={python if python != '3' else '313'}",
        *sorted({f"--abi={tag.abi}" for tag in tags}),
        *sorted({f"--platform={tag.platform}" for tag in tags}),
    ]
    with tempfile.TemporaryDirectory(dir=_CACHE) as work:
        # Only a requirement in a file may have a hash; it also chooses among a version's builds.
        wanted = Path(work, "requirements.txt")
        wanted.write_text(f"{distribution}=={version} --hash=sha256:{wheel.sha256}\n", "utf-8")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--retries=10"]
        building.run(*pip, *options, f"--dest={work}", f"--requirement={wanted}")
        Path(work, wheel.name).replace(path)
    return path
