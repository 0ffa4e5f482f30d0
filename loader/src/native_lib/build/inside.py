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
    from collections.abc import Iterator

    from native_lib.build.config import Config


@contextmanager
def inside(
    config: Config, *, has_providers: bool = True, is_editable: bool = False
) -> Iterator[Any]:
    """Give the back end, which is to be called within; then the process is as it was.

    Args:
        config: the project's.
        has_providers: whether the providers are installed already.
        is_editable: whether what is built stays in use. Then other builds leave its prefix alone.

    Raises:
        BuildError: there is no such back end, or a provider is not what pyproject.toml asks for.
    """
    environ = dict(os.environ)
    sys.path[:0] = config.backend_path
    try:
        if has_providers and config.providers:
            os.environ.update(_variables(config, is_editable=is_editable))
        with showing(config.document, config.static):
            yield _back_end(config.backend)
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


def _variables(config: Config, *, is_editable: bool) -> dict[str, str]:
    # Here, for it is a build requirement of this back end's.
    from packaging.requirements import InvalidRequirement, Requirement

    for told in config.providers:
        name = distribution_of(told)
        try:
            wanted = Requirement(told)
            (found, *_) = installed_providers([name])
        except InvalidRequirement:
            raise BuildError(
                f"[tool.native-lib]: {told!r} in libraries is not a requirement"
            ) from None
        except ProvidersError as error:
            raise BuildError(
                f"{error}; a build in isolation installs it by itself. Or ask for the system's copy: "
                "NATIVE_LIB_SYSTEM=all in the environment"
            ) from None
        if not wanted.specifier.contains(found.version, prereleases=True):
            fix = pip(f'install "{told}"')
            raise BuildError(
                f"pyproject.toml asks for {told}, and {found.distribution} {found.version} is installed "
                f"where this build runs: {fix}"
            )
    providers = installed_providers([distribution_of(told) for told in config.providers])
    # Its path stays, though that of an isolated build changes: build folders that are kept know it.
    key = f"{config.root.resolve()}{' editable' if is_editable else ''}"
    prefix = project_prefix(providers, key)
    return build_variables(providers, os.environ, prefix)
