"""Wheels that others published, for the checker to look at; kept in a cache."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import building
import upstream_sources


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
            # In one step, so that what is there is whole; another process may have been faster.
            try:
                made.rename(folder)
            except OSError:
                if not folder.exists():
                    raise
    return next(folder.glob("*.whl"))
