{%- set end = ", /" if cookiecutter.binding == "c-api" else "" -%}
{%- set here = cookiecutter.library_source == "here" -%}
{%- if here -%}
def square(value: float{{ end }}) -> float:
    """Return the square of a number."""

{% endif -%}
def version() -> str:
    """Return the version of the library that is loaded."""
{%- if cookiecutter.language == "cxx" and here %}

def area_of_square(side: float{{ end }}) -> float:
    """Return the area of a square. Raises ValueError if the side is negative."""
{%- endif %}
