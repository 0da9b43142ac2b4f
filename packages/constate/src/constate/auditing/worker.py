"""A process that audits one target, one law at a time, as it is told; or that lists the classes of a package.

What a target's module prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from constate.workers import channel


class Session:
    """What the requests of one process have in common. Each method answers one kind of request."""

    def __init__(self) -> None:
        self._factory: Callable[[], Any] | None = None
        self._inputs: Any = None
        self._audit: Any = None

    def find(self, target: str, arguments: Mapping[str, Any] | None, inputs_from: str | None) -> dict[str, Any]:
        """Import what was named."""
        from constate.auditing.arguments import bound
        from constate.auditing.targets import find, require_factory, split

        found = find(target)
        if arguments:
            found = bound(found, arguments)
        require_factory(target, found)
        self._factory = found
        if inputs_from is not None:
            # ":inputs" is in the target's own module.
            given = find(f"{split(target)[0]}{inputs_from}" if inputs_from.startswith(":") else inputs_from)
            self._inputs = given() if callable(given) else given
        return {}

    def make(self) -> dict[str, Any]:
        """Make the module for the first time, and nothing else; whatever that raises ``build`` will say."""
        from constate.auditing.recognising import recognise

        assert self._factory is not None
        with contextlib.suppress(Exception):
            recognise(self._factory)
        return {}

    def build(self, inputs: list[str] | None, distributed: bool, no_pass: str) -> dict[str, Any]:
        """Begin the audit. Where the inputs are not known, passes are tried to find them, unless ``no_pass``."""
        from constate.auditing.check import prepare, versions
        from constate.instruments.inputs import Call, Inputs, parse_all

        assert self._factory is not None
        given = self._inputs if inputs is None else parse_all(inputs)
        if given is None and no_pass:
            given = Inputs(Call())
        self._audit = prepare(self._factory, given, distributed=distributed)
        self._audit.no_pass = no_pass
        return {"backend": self._audit.instruments.backend, "versions": versions(self._audit.instruments)}

    def run(self) -> dict[str, Any]:
        """Try the ordinary pass, which most laws begin with; whatever it raises they will say, if the process lives."""
        with contextlib.suppress(Exception):
            _ = self._audit.call
        return {}

    def law(self, code: str) -> dict[str, Any]:
        """Try a law."""
        from constate.auditing.check import run_hazard

        return run_hazard(self._audit, code).to_json()

    def modules(self, package: str) -> dict[str, Any]:
        """The names of the modules of a package."""
        from constate.auditing.packages import modules_of

        return {"modules": modules_of(package)}

    def classes(self, module: str) -> dict[str, Any]:
        """The classes of modules that a Python module defines, with the arguments that they need."""
        from constate.auditing.importing import imported
        from constate.auditing.packages import classes_of

        return {"classes": classes_of(imported(module, partial(importlib.import_module, module)))}


def serve() -> None:
    """Answer requests until there are no more."""
    requests, answer = channel()
    session = Session()
    answer({})
    for request in requests:
        answer(_answered(getattr(session, request.pop("do")), request))


def _answered(method: Callable[..., dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    from constate.auditing.check import place_of
    from constate.errors import UsageError

    try:
        return method(**request)
    except UsageError as error:
        return {"error": str(error)}
    except Exception as error:  # the user's own
        return {"error": place_of(error)}


if __name__ == "__main__":
    serve()
