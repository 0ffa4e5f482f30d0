"""Hold the reference packages to what the template generates from their answers.

    python regenerate.py            rewrite the files that the template owns
    python regenerate.py --check    change nothing; exit with 1 if something has drifted

The template owns the contract tests and the type stubs: they are byte-equal to
what it generates. It sets keys in pyproject.toml: they are there with its values, and the package may
add others. Everything else is the package's own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from cookiecutter.main import cookiecutter
from nox.project import load_toml

ROOT = Path(__file__).parent
PACKAGES = ("zlib", "libpng", "sodium", "zmq", "hdf5", "minipng")
# The template makes pairs; a package is one half of its pair.
HALVES = ("provider", "extension")
OWNED = {
    *("_native_libs.pyi", "_native_requires.pyi", "py.typed", "LICENSE"),
}
# What a provider that requires another one has from the consumer's half of its pair.
CONSUMERS_PART = {"_native_requires.pyi"}
# The template has a repository of its own for each pair; these live here. And upstreams have several
# names for the files of their licences.
OWN_KEYS = {("project", "urls", "Source"), ("project", "license-files")}


def drift(package: Path, *, fix: bool = False) -> list[str]:
    """Compare a package with what the template generates from its answers.json.

    Args:
        package: its folder.
        fix: rewrite the files that the template owns.

    Returns:
        A line for each file or key that differs, or that was rewritten.
    """
    answers = json.loads((package / "answers.json").read_text(encoding="utf-8"))["cookiecutter"]
    with tempfile.TemporaryDirectory() as folder:
        pair = _generate(package / "answers.json", Path(folder))
        halves = {answers[f"{half}_name"]: pair / answers[f"{half}_name"] for half in HALVES}
        project = load_toml(package / "pyproject.toml")
        name = project["project"]["name"]
        generated = halves[name]
        expected = {
            path.relative_to(generated): path.read_bytes()
            for path in generated.rglob("*")
            if path.name in OWNED or path.name.endswith("_contract.py")
        }
        if name == answers["provider_name"] and "dependencies" in project["project"].get(
            "dynamic", []
        ):
            expected |= _consumers_part(halves[answers["extension_name"]], name)
        keys = load_toml(generated / "pyproject.toml")
    found = []
    for relative, content in sorted(expected.items()):
        file = package / relative
        if not file.is_file() or file.read_bytes() != content:
            found.append(str(file))
            if fix:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
    return found + [f"{package / 'pyproject.toml'}: {line}" for line in missing(keys, project)]


def _generate(answers: Path, folder: Path) -> Path:
    # cookiecutter writes its own replay file over the one that it is given.
    replay = folder / "replay.json"
    replay.write_bytes(answers.read_bytes())
    return Path(
        cookiecutter(
            str(ROOT.parent),
            directory="template",
            replay=str(replay),
            output_dir=str(folder),
            default_config=True,
        )
    )


def _consumers_part(consumer: Path, provider: str) -> dict[Path, bytes]:
    (package,) = (consumer / "python").iterdir()
    found = {}
    for path in consumer.rglob("*"):
        if path.name in CONSUMERS_PART:
            folder = path.relative_to(consumer).parent
            if path.parent == package:
                folder = Path("python", provider.replace("-", "_"))
            found[folder / path.name] = path.read_bytes()
    return found


def missing(expected: Any, found: Any, path: tuple[str, ...] = ()) -> list[str]:
    """Return the keys of one TOML value that another one lacks, or has with other values.

    Args:
        expected: the template's value; of an array, each element must be there, in any order.
        found: the package's value, which may have more.
        path: where both stand, for the result.
    """
    if path in OWN_KEYS:
        return []
    if isinstance(expected, dict) and isinstance(found, dict):
        lines = []
        for key, value in expected.items():
            lines += missing(value, found.get(key), (*path, key))
        return lines
    if isinstance(expected, list) and isinstance(found, list):
        is_there = all(any(not missing(a, b) for b in found) for a in expected)
    else:
        is_there = expected == found
    return [] if is_there else [f"{'.'.join(path)} is {found!r}, the template sets {expected!r}"]


def main() -> int:
    """Run the command line above."""
    parser = argparse.ArgumentParser(description="Hold the packages to the template.")
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args()
    found = [line for name in PACKAGES for line in drift(ROOT / name, fix=not options.check)]
    for line in found:
        print(f"{'drifted' if options.check or 'pyproject' in line else 'updated'}: {line}")
    if options.check:
        return 1 if found else 0
    # What a file of the package's own says is for a person to fix.
    return 1 if any("pyproject.toml: " in line for line in found) else 0


if __name__ == "__main__":
    sys.exit(main())
