"""It needs what is not there."""

from no_such_module import thing

__all__ = ["thing"]
