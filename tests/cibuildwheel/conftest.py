"""What the tests of cibuildwheel share: a container for it, and our workflows, run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Callable

import build_wheels
import our_workflows
import pytest
import upstream_sources

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from our_workflows import Finished


@pytest.fixture(scope="session")
def container() -> Mapping[str, str]:
    """The environment in which cibuildwheel has a container."""
    if sys.platform != "linux":
        pytest.skip("cibuildwheel needs no container there, and would install Pythons of its own")
    try:
        found = build_wheels.stand_in()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no container for cibuildwheel: {error}")
    if not found and not build_wheels.has_docker():
        pytest.skip(
            "no container for cibuildwheel: docker is not installed, and there is no stand-in"
        )
    # The real images have Pythons that the stand-in lacks; what is tested is the same with both.
    return found or {"CIBW_SKIP": build_wheels.NOT_IN_THE_STAND_IN}


@pytest.fixture(scope="session")
def checkout(once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    """This repository as a checkout gives it, with the lists of what is to be had here."""

    return once("checkout", our_workflows.check_out)


@pytest.fixture(scope="session")
def finished_workflow(
    checkout: Path,
    container: Mapping[str, str],
    once: Callable[[str, Callable[[Path], Finished]], Finished],
) -> Callable[[str], Finished]:
    """Return a function that runs one of our workflows, once for all tests."""

    def get(name: str) -> Finished:
        def make(folder: Path) -> Finished:
            return our_workflows.run(name, checkout, folder, container)

        return once(f"workflow-{name}", make)

    return get


@pytest.fixture(scope="session")
def packages(finished_workflow: Callable[[str], Finished]) -> Finished:
    """What packages.yml makes: the reference packages, from sdist to repaired wheels."""
    try:
        for name in upstream_sources.DEBIAN_SOURCES:
            upstream_sources.provide(name)
    except upstream_sources.SourcesError as error:
        pytest.skip(f"not available: the sources of {error}")
    return finished_workflow("packages")
