"""What is built for other platforms is in the tests of those."""

from platforms.conftest import built, wine

__all__ = ["built", "wine"]
