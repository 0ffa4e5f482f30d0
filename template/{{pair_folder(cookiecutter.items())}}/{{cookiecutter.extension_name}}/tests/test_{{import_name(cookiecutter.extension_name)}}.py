{%- set package = import_name(cookiecutter.extension_name) -%}
import sys
from pathlib import Path
{# Sorted by name, as isort and ruff want them. #}
{% for line in ["import " ~ package ~ " as extension", "import pytest"] | sort -%}
{{ line }}
{% endfor -%}
from {{ package }} import _native_requires

from_provider = pytest.mark.skipif(
    not _native_requires.REQUIRES, reason="built against the system's library (NATIVE_LIB_SYSTEM)"
)


def test_square() -> None:
    assert extension.square(3) == 9.0
{%- if cookiecutter.language == "cxx" %}


def test_class_is_cast_across_the_boundary() -> None:
    assert extension.area_of_square(2) == 4.0


def test_exception_is_caught_across_the_boundary() -> None:
    with pytest.raises(ValueError, match="a side cannot be negative"):
        extension.area_of_square(-1)
{%- endif %}


@from_provider
def test_library_is_the_providers() -> None:
    import {{ import_name(cookiecutter.provider_name) }} as provider

    (loaded,) = provider.loader.load()
    # The distribution's version may have more to it: a packaging revision, a pre-release's mark.
    assert provider.loader.version.startswith(extension.version())
    if sys.platform == "linux":
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
        mapped = {Path(line.split(maxsplit=5)[5]) for line in maps.splitlines() if "/" in line}
        library = Path(loaded.path).resolve()
        assert [path for path in mapped if path.name == library.name] == [library]


@from_provider
def test_package_holds_no_copy() -> None:
    folder = Path(_native_requires.__file__ or "").parent
    suffixes = {".so", ".dylib", ".dll", ".pyd"}
    libraries = [path.name for path in folder.rglob("*") if suffixes & set(path.suffixes)]
    assert [name for name in libraries if not name.startswith("_ext.")] == []
