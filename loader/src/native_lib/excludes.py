"""The arguments that keep providers' libraries out of a consumer's wheel when it is repaired."""

from __future__ import annotations

from pathlib import PurePosixPath

from native_lib.providers import ProvidersError, installed_providers

# auditwheel compares the NEEDED name, delocate a part of the path, delvewheel the DLL's name.
_SUFFIXES = {"auditwheel": ".so", "delocate": ".dylib", "delvewheel": ".dll"}
TOOLS = tuple(_SUFFIXES)


def excludes(providers: list[str], tool: str) -> list[str]:
    """Return the arguments for a repair tool.

    Args:
        providers: distributions that are installed in this environment.
        tool: one of `TOOLS`.

    Returns:
        An option and a name for each of their libraries, and for those of the providers that they need.

    Raises:
        ProvidersError: one is not installed, is not a provider, is for another platform, or has a
            manifest that cannot be read here.
    """
    arguments: list[str] = []
    for provider in installed_providers(providers):
        for library in provider.libraries:
            name = PurePosixPath(library.runtime_name).name
            if _SUFFIXES[tool] not in name.lower():
                raise ProvidersError(
                    f"{provider.distribution}'s library here is {name}, which {tool} cannot handle"
                )
            arguments += ["--exclude", name]
    return arguments
