"""Make a wheel that was linked against providers into one that requires and loads them."""

from __future__ import annotations


class BindError(Exception):
    """A wheel cannot be bound; the message says why, and what to do."""
