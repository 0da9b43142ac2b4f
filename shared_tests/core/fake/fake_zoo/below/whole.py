"""The last one."""

from fake_zoo.plain import Clean, Stray


class Last(Clean):
    """Found behind the ones that cannot be imported."""


__all__ = ["Last", "Stray"]
