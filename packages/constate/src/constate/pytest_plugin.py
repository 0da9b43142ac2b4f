"""The pytest plugin: ``pytest --constate pkg.mod:factory`` runs the laws on a module, without any test file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from constate.parametrizing import Check


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("constate", "laws on the state of modules")
    group.addoption(
        "--constate", action="append", default=[], metavar="PKG.MOD:FACTORY", help="a module to run the laws on"
    )
    group.addoption(
        "--constate-input", action="append", default=[], metavar="F32[8,16]", help="what the module is called with"
    )
    group.addoption("--constate-law", action="append", default=[], metavar="P11", help="a law or a chapter")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """One item a law for every module that was named."""
    targets: list[str] = config.getoption("--constate")
    if not targets:
        return
    from constate.auditing.targets import resolve
    from constate.errors import UsageError
    from constate.instruments.inputs import parse_all
    from constate.parametrizing import checks

    try:
        given = config.getoption("--constate-input")
        inputs = parse_all(given) if given else None
        for target in targets:
            for check in checks([resolve(target)], inputs=inputs, laws=config.getoption("--constate-law") or None):
                items.append(LawItem.from_parent(session, name=f"{target}-{check.code}", check=check))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


class LawItem(pytest.Item):
    """One law on one module."""

    def __init__(self, *, check: Check, **given: Any) -> None:
        super().__init__(**given)
        self.check = check

    def runtest(self) -> None:
        """Try the law."""
        self.check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What was found, without a traceback through this project."""
        from constate.auditing.report import AuditFailed
        from constate.errors import ConstateError

        if isinstance(excinfo.value, (AuditFailed, ConstateError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where the item is said to be."""
        return self.path, None, self.name
