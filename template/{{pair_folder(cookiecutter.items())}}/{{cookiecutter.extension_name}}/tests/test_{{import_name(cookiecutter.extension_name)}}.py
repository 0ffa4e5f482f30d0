{%- set package = import_name(cookiecutter.extension_name) -%}
{%- set here = cookiecutter.library_source == "here" -%}
{%- set cxx = cookiecutter.language == "cxx" and here -%}
{# Sorted by name, as isort and ruff want them. #}
{%- for line in (["import " ~ package ~ " as extension"] + (["import pytest"] if cxx else [])) | sort %}
{{- "" if loop.first else "\n" }}{{ line }}
{%- endfor %}
{%- if here %}


def test_square() -> None:
    assert extension.square(3) == 9.0
{%- endif %}


def test_version() -> None:
    assert extension.version()[0].isdigit()
{%- if cxx %}


def test_class_is_cast_across_the_boundary() -> None:
    assert extension.area_of_square(2) == 4.0


def test_exception_is_caught_across_the_boundary() -> None:
    with pytest.raises(ValueError, match="a side cannot be negative"):
        extension.area_of_square(-1)
{%- endif %}
