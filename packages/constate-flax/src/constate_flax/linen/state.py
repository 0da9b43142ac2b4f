"""The names of the collections for which Linen has no word of its own.

Linen's own conventions are ``params`` (trained), ``batch_stats`` (moved by the forward pass) and ``cache``.
"""

CONSTANTS = "constants"
"""Never changes; saved."""

DERIVED = "derived"
"""Computed from the configuration; computed again instead of saved."""
