"""Python bindings of the {{ cookiecutter.library_name }} library."""

from . import _native_requires
from ._shared_lib_consumer import load_requirements

# Before the extension module is imported: the operating system then finds its library loaded.
load_requirements(_native_requires)

from ._ext import {% if cookiecutter.language == "cxx" %}area_of_square, {% endif %}square, version  # noqa: E402

__all__ = [{% if cookiecutter.language == "cxx" %}"area_of_square", {% endif %}"square", "version"]
