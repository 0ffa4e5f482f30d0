"""Call another back end, with the providers in its sight."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from native_lib.build.config import BuildError, distribution_of
from native_lib.build.static_toml import showing
from native_lib.environment import build_variables
from native_lib.prefix import project_prefix
from native_lib.providers import ProvidersError, installed_providers
from native_lib.support.shared_lib_fixes import pip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from native_lib.build.config import Config
    from native_lib.providers import InstalledProvider

_NOT_YET = (
    "native_lib.build: the providers are not installed yet when this fails. If the project asks for one "
    "so early, as a setup.py does that runs pkg-config, write it into build-system.requires, too: {}"
)


@contextmanager
def inside(config: Config, *, are_needed: bool = True, is_editable: bool = False) -> Iterator[Any]:
    """Give the back end, which is to be called within; then the process is as it was.

    Args:
        config: the project's.
        are_needed: whether the providers must be installed. They need not be when a front end asks what
            to install; but a setup.py runs then, and those that are there are shown to it.
        is_editable: whether what is built stays in use. Then other builds leave its prefix alone.

    Raises:
        BuildError: there is no such back end, or a provider is not what pyproject.toml asks for.
    """
    environ = dict(os.environ)
    sys.path[:0] = config.backend_path
    try:
        providers = _installed(config, are_needed=are_needed)
        if providers:
            os.environ.update(_variables(config, providers, is_editable=is_editable))
        with showing(config.document, config.static):
            back_end = _back_end(config.backend)
            try:
                yield back_end
            except (Exception, SystemExit):
                if config.providers and not providers:
                    print(_NOT_YET.format(", ".join(config.providers)), file=sys.stderr)
                raise
    finally:
        os.environ.clear()
        os.environ.update(environ)
        # No more than that: setuptools finds parts of itself by what it adds.
        for folder in config.backend_path:
            sys.path.remove(folder)


def _back_end(name: str) -> Any:
    module, _, names = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for each in filter(None, names.split(".")):
            found = getattr(found, each)
    except (ImportError, AttributeError) as error:
        raise BuildError(
            f"the back end {name!r} of [tool.native-lib] cannot be imported ({error}): name its "
            "distribution in build-system.requires"
        ) from error
    return found


def _installed(config: Config, *, are_needed: bool) -> list[InstalledProvider]:
    """Return the project's providers; none if one is missing that is not needed yet."""
    try:
        found = installed_providers([distribution_of(told) for told in config.providers])
    except ProvidersError as error:
        if not are_needed:
            return []
        raise BuildError(
            f"{error}; a build in isolation installs it by itself. Or ask for the system's copy: "
            "NATIVE_LIB_SYSTEM=all in the environment"
        ) from None
    if are_needed:
        _refuse_unfit(config, found)
    return found


def _refuse_unfit(config: Config, found: Iterable[InstalledProvider]) -> None:
    # Here, for it is a build requirement of this back end's.
    from packaging.requirements import InvalidRequirement, Requirement

    # Those that are named come first, in their order.
    by_name = dict(zip(dict.fromkeys(map(distribution_of, config.providers)), found))
    for told in config.providers:
        try:
            wanted = Requirement(told)
        except InvalidRequirement:
            raise BuildError(
                f"[tool.native-lib]: {told!r} in libraries is not a requirement"
            ) from None
        there = by_name[distribution_of(told)]
        if not wanted.specifier.contains(there.version, prereleases=True):
            fix = pip(f'install "{told}"')
            raise BuildError(
                f"pyproject.toml asks for {told}, and {there.distribution} {there.version} is installed "
                f"where this build runs: {fix}"
            )


def _variables(
    config: Config, providers: Sequence[InstalledProvider], *, is_editable: bool
) -> dict[str, str]:
    # Its path stays, though that of an isolated build changes: build folders that are kept know it.
    key = f"{config.root.resolve()}{' editable' if is_editable else ''}"
    return build_variables(providers, os.environ, project_prefix(providers, key))
