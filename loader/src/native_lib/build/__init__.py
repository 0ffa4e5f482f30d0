"""A build back end (PEP 517, PEP 660) that wraps another, and binds what that builds to providers."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from native_lib.bind import BindError
from native_lib.build.config import BuildError, read_config
from native_lib.build.inside import inside
from native_lib.known import KnownError
from native_lib.prefix import PrefixError
from native_lib.providers import ProvidersError
from native_lib.support.shared_lib_fixes import pip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Settings = Mapping[str, Any] | None

# What reads wheels. lief is for other formats than Linux's.
_TOOLS = ("packaging>=24.2", *(() if sys.platform == "linux" else ("lief>=1.0",)))


@contextmanager
def _told() -> Iterator[None]:
    """Print what is wrong as one line: front ends show a traceback of anything else."""
    try:
        yield
    except (BuildError, BindError, KnownError, PrefixError, ProvidersError) as error:
        sys.exit(f"native_lib.build: {error}")


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Hook: what the back end requires, the providers, and what binds the wheel."""
    return _requires("get_requires_for_build_wheel", config_settings)


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """Hook: the same; meson-python configures the project for an sdist, too."""
    return _requires("get_requires_for_build_sdist", config_settings)


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Hook: build a wheel, and bind it to the providers."""
    config = _ready()
    from native_lib.build.result import bound

    with _told(), tempfile.TemporaryDirectory() as folder:
        with inside(config) as back_end:
            # scikit-build-core would compare its own METADATA with ours.
            name = back_end.build_wheel(folder, config_settings, None)
        made = bound(Path(folder, name), Path(folder, "bound"), config)
        return _finish(made, wheel_directory, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Hook: build an sdist, whose dependencies are not those of a wheel made from it."""
    from native_lib.build.sdist import with_dynamic

    config = _ready()
    with _told(), tempfile.TemporaryDirectory() as folder:
        with inside(config) as back_end:
            name = back_end.build_sdist(folder, config_settings)
        with_dynamic(Path(folder, name), Path(sdist_directory, name))
    return str(name)


def _prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    """Hook: the METADATA that the wheel will have."""
    return _prepare("prepare_metadata_for_build_wheel", metadata_directory, config_settings)


def _get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """Hook: as for a wheel."""
    return _requires("get_requires_for_build_editable", config_settings)


def _prepare_metadata_for_build_editable(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    """Hook: the METADATA that the editable wheel will have."""
    return _prepare("prepare_metadata_for_build_editable", metadata_directory, config_settings)


def _build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Hook: build an editable wheel, and add what loads the libraries."""
    config = _ready()
    from native_lib.build.editable import refuse_gone, with_finder

    with _told(), tempfile.TemporaryDirectory() as folder:
        with inside(config, is_editable=True) as back_end:
            refuse_gone(back_end)
            name = back_end.build_editable(folder, config_settings, None)
        made = with_finder(Path(folder, name), Path(folder, "bound"), config)
        return _finish(made, wheel_directory, metadata_directory)


_OPTIONAL = {
    "prepare_metadata_for_build_wheel": _prepare_metadata_for_build_wheel,
    "get_requires_for_build_editable": _get_requires_for_build_editable,
    "prepare_metadata_for_build_editable": _prepare_metadata_for_build_editable,
    "build_editable": _build_editable,
}
# A back end that can build an editable wheel need not have requirements for that.
_GIVEN_BY = {"get_requires_for_build_editable": "build_editable"}


def __getattr__(name: str) -> Any:
    """Return an optional hook if the back end has it: front ends ask for its attributes."""
    if name in _OPTIONAL:
        config = _config()
        with _told(), inside(config, are_needed=False) as back_end:
            is_early = name == "prepare_metadata_for_build_wheel" and config.is_bound_by_symbols
            if hasattr(back_end, _GIVEN_BY.get(name, name)) and not is_early:
                return _OPTIONAL[name]
    raise AttributeError(name)


def _config() -> Any:
    with _told():
        return read_config(Path.cwd())


def _ready() -> Any:
    """Return the project's settings, where what reads wheels is installed."""
    for requirement in _TOOLS:
        name = requirement.partition(">")[0]
        if importlib.util.find_spec(name) is None:
            fix = pip(f'install "{requirement}"')
            sys.exit(
                f"native_lib.build: {name} is not installed here; {fix}; a build in isolation installs it "
                "by itself"
            )
    return _config()


def _requires(hook: str, config_settings: Settings) -> list[str]:
    config = _config()
    is_editable = hook.endswith("editable")
    with _told(), inside(config, are_needed=False, is_editable=is_editable) as back_end:
        theirs: list[str] = getattr(back_end, hook, lambda _: [])(config_settings)
    has_pkg_config = shutil.which(os.environ.get("PKG_CONFIG") or "pkg-config")
    pkg_config = () if has_pkg_config else ("pkgconf>=2.3",)
    return [*dict.fromkeys((*theirs, *_TOOLS, *pkg_config, *config.providers))]


def _prepare(hook: str, metadata_directory: str, config_settings: Settings) -> str:
    config = _ready()
    from native_lib.build.result import with_bounds

    with _told():
        with inside(config, is_editable=hook.endswith("editable")) as back_end:
            name = getattr(back_end, hook)(metadata_directory, config_settings)
        metadata = Path(metadata_directory, name, "METADATA")
        metadata.write_bytes(with_bounds(metadata.read_bytes(), config))
    return str(name)


def _finish(made: Path, wheel_directory: str, metadata_directory: str | None) -> str:
    from native_lib.build.result import refuse_difference

    if metadata_directory:
        refuse_difference(Path(metadata_directory, "METADATA"), _metadata_in(made), made.name)
    shutil.copyfile(made, Path(wheel_directory, made.name))
    return made.name


def _metadata_in(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        path = next(n for n in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        return archive.read(path)
