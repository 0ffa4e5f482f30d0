{%- set here = cookiecutter.library_source == "here" -%}
{%- set cxx = cookiecutter.language == "cxx" and here -%}
"""Python bindings of the {{ cookiecutter.library_name }} library."""

from . import _native_requires
from ._shared_lib_consumer import load_requirements

# Before the extension module is imported: the operating system then finds its library loaded.
load_requirements(_native_requires)

from ._ext import {% if cxx %}area_of_square, {% endif %}{% if here %}square, {% endif %}version  # noqa: E402

__all__ = [{% if cxx %}"area_of_square", {% endif %}{% if here %}"square", {% endif %}"version"]
