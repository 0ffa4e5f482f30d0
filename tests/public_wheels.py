"""Wheels and sdists that others published; kept in a cache."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import building
import upstream_sources

if TYPE_CHECKING:
    from collections.abc import Mapping


class NotToBeHadError(Exception):
    """A wheel cannot be downloaded; the message says which, and why."""


def get(requirement: str, platform: str) -> Path:
    """Return a wheel.

    Args:
        requirement: a distribution of one version, `numpy==2.5.5`.
        platform: the last part of a wheel's tag.

    Raises:
        NotToBeHadError: it cannot be downloaded.
    """
    folder = upstream_sources.CACHE / "others" / f"{requirement}-{platform}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--retries", "2"]
            only = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12"]
            made = Path(work, "made")
            try:
                building.run(*pip, *only, "--platform", platform, "--dest", made, requirement)
            except building.CommandError as error:
                said = str(error).strip().rpartition("\n")[2]
                raise NotToBeHadError(f"{requirement} for {platform}: {said}") from error
            _keep(made, folder)
    return next(folder.glob("*.whl"))


def sdist(pinned: str, sha256: str, env: Mapping[str, str] | None = None) -> Path:
    """Return an sdist.

    Args:
        pinned: a distribution of one version, `lz4==4.4.5`.
        sha256: the hash of its file, which pip compares.
        env: the environment in which pip asks the package for its metadata.
    """
    folder = upstream_sources.CACHE / "sdists" / sha256
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            required, made = Path(work, "requirements.txt"), Path(work, "made")
            required.write_text(f"{pinned} --hash=sha256:{sha256}\n", "utf-8")
            # Not :all:, with which pip would build CMake and Cython from their sdists as well.
            only = ["--no-deps", f"--no-binary={pinned.partition('==')[0]}", "--require-hashes"]
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--retries", "2"]
            building.run(*pip, *only, "--dest", made, "-r", required, env=env)
            _keep(made, folder)
    return next(folder.glob("*.tar.gz"))


def _keep(made: Path, folder: Path) -> None:
    # In one step, so that what is there is whole; another process may have been faster.
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise
