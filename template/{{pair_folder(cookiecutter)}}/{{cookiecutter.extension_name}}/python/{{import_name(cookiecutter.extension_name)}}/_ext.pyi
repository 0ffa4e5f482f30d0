def square(value: float) -> float:
    """Return the square of a number."""

def version() -> str:
    """Return the version of the library that is loaded."""
{%- if cookiecutter.language == "cxx" %}

def area_of_square(side: float) -> float:
    """Return the area of a square. Raises ValueError if the side is negative."""
{%- endif %}
