"""Editable installs: load the providers' libraries, though the package itself is not in the wheel."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from native_lib.bind.bind import add_library, entries_of, loader_files
from native_lib.bind.wheel_file import record, rewrite
from native_lib.build.config import BuildError
from native_lib.build.result import providers_of, with_bounds
from native_lib.names import import_name
from native_lib.support.native_library_metadata import record as requires_text

if TYPE_CHECKING:
    from native_lib.build.config import Config

# Where pip, build and uv put the environments that are gone after the build.
_GONE = re.compile(r"[/\\](?:pip-build-env-|build-env-|builds-v0[/\\])")


def refuse_gone(back_end: Any) -> None:
    """Refuse what would not work once the build's environment is gone.

    Raises:
        BuildError: meson-python builds again at import, with the programs of that environment.
    """
    if back_end.__name__ == "mesonpy" and _GONE.search(back_end.__file__):
        raise BuildError(
            "an editable install with meson-python builds again at import, and the environment of this "
            "build will be gone then: install the build requirements and the providers, and use "
            "--no-build-isolation"
        )


def with_finder(built: Path, folder: Path, config: Config) -> Path:
    """Write an editable wheel, with what loads the libraries, into a folder.

    Where the extension modules are, and when they are built, depends on the back end. So the record is
    of all libraries of the providers that the project names.

    Args:
        built: the wheel as the back end made it.
        folder: where it goes, under the same name.
        config: the project's.
    """
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
        metadata = next(n for n in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        records = f"{metadata.partition('/')[0]}/RECORD"
        files = {metadata: with_bounds(archive.read(metadata), config)}
        old = archive.read(records)
    if config.providers:
        files.update(_package(import_name(built.name.partition("-")[0]), config))
    files[records] = record(old, files)
    rewrite(built, folder / built.name, files, metadata)
    return folder / built.name


def _package(distribution: str, config: Config) -> dict[str, bytes]:
    manifests = [each for provider in providers_of(config) for each in provider.wheel.manifests]
    entries = entries_of(manifests)
    for manifest in manifests:
        entry = entries[manifest.distribution]
        for library in manifest.libraries:
            add_library(entry, manifest, library)
    package = f"_native_lib_editable_{distribution}"
    files = {
        "__init__.py": Path(__file__).with_name("editable_finder.py").read_bytes(),
        "_project.py": f"ROOT = {os.path.realpath(config.root)!r}\n".encode(),
        "_native_requires.py": requires_text([*entries.values()], "native-lib"),
        **loader_files(entries.values()),
    }
    # Python imports in the order of these files' names, and the finders of meson-python and
    # scikit-build-core put themselves first.
    return {
        **{f"{package}/{name}": content for name, content in files.items()},
        f"zz{package}.pth": f"import {package}; {package}.install()\n".encode(),
    }
