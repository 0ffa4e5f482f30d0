{%- set end = ", /" if cookiecutter.binding == "c-api" else "" -%}
def square(value: float{{ end }}) -> float:
    """Return the square of a number."""

def version() -> str:
    """Return the version of the library that is loaded."""
{%- if cookiecutter.language == "cxx" %}

def area_of_square(side: float{{ end }}) -> float:
    """Return the area of a square. Raises ValueError if the side is negative."""
{%- endif %}
