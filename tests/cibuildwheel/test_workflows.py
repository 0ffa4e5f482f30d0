"""The workflows of a generated pair: well formed, and run here as far as one machine can."""

from __future__ import annotations

import re
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import lab
import pytest
import workflows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What the list of a project's own platforms becomes: what this machine and its container have.
PLATFORMS = re.compile(r"^PLATFORMS = \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
HERE = 'PLATFORMS = {"manylinux-x86_64": ("ubuntu-24.04", "manylinux*_x86_64")}\n'
NEEDS_GITHUB = {
    "alpine": "takes Docker and an image of Python on Alpine",
    "publish-provider": "publishes",
    "publish-consumer": "publishes",
}


SUDO = "takes GitHub's sudo; .ci/run installs what it would"


def why_not(job: str, step: Mapping[str, Any]) -> str:
    return SUDO if "sudo" in step.get("run", "") else NEEDS_GITHUB.get(job, "")


@dataclass(frozen=True)
class Finished:
    """A pair, and what running its workflows did."""

    folder: Path
    steps: tuple[workflows.Step, ...]
    artifacts: dict[str, list[str]]


@pytest.fixture(scope="session")
def finished(
    container: Mapping[str, str],
    loader_wheel: Path,
    once: Callable[[str, Callable[[Path], Finished]], Finished],
) -> Finished:
    """The default pair's workflows, run in order: ci.yml, then wheels.yml."""

    def make(folder: Path) -> Finished:
        pair = lab.generate(folder)
        noxfile = pair / "noxfile.py"
        text, changed = PLATFORMS.subn(HERE, noxfile.read_text("utf-8"))
        assert changed == 1
        noxfile.write_text(text, encoding="utf-8")
        lab.run(sys.executable, "-m", "venv", folder / "python")
        environment = {
            **container,
            # The loader is on no index yet.
            "PIP_FIND_LINKS": str(loader_wheel.parent),
            "PATH": f"{folder / 'python' / 'bin'}:{lab.environment()['PATH']}",
        }
        steps: list[workflows.Step] = []
        for name in ("ci", "wheels"):
            run = workflows.Run(pair, folder / name, environment, why_not)
            run.workflow(pair / ".github" / "workflows" / f"{name}.yml")
            steps += run.steps
        artifacts = {
            path.name: sorted(file.name for file in path.iterdir())
            for path in (folder / "wheels" / "artifacts").iterdir()
        }
        return Finished(folder, tuple(steps), artifacts)

    return once("workflows", make)


def test_every_linux_job_was_run(finished: Finished) -> None:
    """Run, or named above with the reason."""
    left = {(step.job, step.why_not) for step in finished.steps if step.why_not}
    assert left == {("alpine", NEEDS_GITHUB["alpine"]), ("abi", SUDO)}
    # Those that release are skipped: there is no tag.
    assert {step.job for step in finished.steps} == {
        *("plan", "test", "gate"),
        *("sdists", "provider", "consumer", "pair", "alpine", "check", "abi"),
    }
    done = {step.what for step in finished.steps if not step.why_not}
    for session in ("plan", "tests", "sdists", "pair", "check", "complete", "abi"):
        assert f"nox -s {session}" in done
    for role in ("provider", "consumer"):
        assert f'nox -s wheels -- {role} "$PLATFORM"' in done


def test_artifacts(finished: Finished) -> None:
    assert set(finished.artifacts) == {
        f"{role}-{what}"
        for role in ("provider", "consumer")
        for what in ("sdist", "manylinux-x86_64")
    }
    assert finished.artifacts["provider-sdist"] == ["libfoo-1.0.0.tar.gz"]
    assert finished.artifacts["consumer-sdist"] == ["foo_ext-1.0.0.tar.gz"]
    (provider,) = finished.artifacts["provider-manylinux-x86_64"]
    (consumer,) = finished.artifacts["consumer-manylinux-x86_64"]
    assert provider.startswith("libfoo-1.0.0-py3-none-manylinux")
    assert consumer.startswith("foo_ext-1.0.0-cp311-abi3-manylinux")


def test_consumer_has_no_copy_and_requires_the_provider(finished: Finished) -> None:
    folder = finished.folder / "wheels" / "artifacts" / "consumer-manylinux-x86_64"
    (wheel,) = folder.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    assert [name for name in names if ".so" in name] == ["foo_ext/_ext.abi3.so"]
    assert "Requires-Dist: libfoo<2,>=1.0.0" in lines
