"""``@constate.parametrize_with_laws``: one test a law and module, in the user's own suite."""

from __future__ import annotations

import functools
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from constate.auditing.audit import Audit
from constate.auditing.check import chosen, name_of, prepare, run_hazard
from constate.auditing.finding import Severity
from constate.auditing.hazards import get_hazard
from constate.auditing.report import AuditFailed, Outcome, line
from constate.errors import UsageError
from constate.laws import get_law
from constate.verdicts import Verdict

if TYPE_CHECKING:
    import pytest


class LawWarning(UserWarning):
    """A law that is broken for reasons that a person may accept."""


class Check:
    """One law on one module. Calling it tries the law."""

    def __init__(self, audit: Callable[[], Audit], name: str, code: str, expected: str | None) -> None:
        self._audit, self.name, self.code, self.expected = audit, name, code, expected

    def __repr__(self) -> str:
        return f"<{self.name} {self.code} {get_law(self.code).title}>"

    def outcome(self) -> Outcome:
        """Try the law."""
        return run_hazard(self._audit(), self.code)

    def __call__(self) -> None:
        """Try the law. Skips the test where the law does not apply or could not be tried, and says why.

        Raises:
            AuditFailed: the law is broken.
            UsageError: the law was expected to be broken and was not tried.
        """
        import pytest

        outcome = self.outcome()
        if outcome.verdict in (Verdict.NOT_APPLICABLE, Verdict.UNTESTED):
            said = f"{self.code} is {outcome.verdict}: {outcome.reason}"
            if self.expected is not None:
                raise UsageError(f"{said}; it was expected to be broken ({self.expected}): take it out of expected")
            pytest.skip(said)
        shown = [line(finding) for finding in outcome.findings if finding.severity is not Severity.INFO]
        fails = any(finding.severity is Severity.FAIL for finding in outcome.findings)
        if fails or (shown and self.expected is not None):
            lines = [f"{finding.entry}: {finding.fix}" for finding in outcome.findings if finding.fix]
            raise AuditFailed("\n".join([*shown, *dict.fromkeys(lines)]))
        for text in shown:
            warnings.warn(LawWarning(f"{self.name}: {text}"), stacklevel=2)


def checks(
    factories: Iterable[Any], *, inputs: Any = None, laws: Iterable[str] | None = None,
    expected: Mapping[str, str] | None = None,
) -> list[Check]:  # fmt: skip
    """One check a law and module; the arguments are those of ``parametrize_with_laws``."""
    codes = chosen(laws)
    reasons = {get_hazard(code).code: reason for code, reason in (expected or {}).items()}
    for code, reason in reasons.items():
        if not reason:
            raise UsageError(f"expected: found no reason for {code}, expected one in words")
    codes = list(dict.fromkeys([*codes, *reasons]))
    found = []
    names: Counter[str] = Counter()
    for item in factories:
        factory, given = item if isinstance(item, tuple) else (item, inputs)
        if not callable(factory):
            raise UsageError(f"found {factory!r}, expected a factory or a pair of a factory and its inputs")
        name = _name(factory)
        names[name] += 1
        label = name if names[name] == 1 else f"{name}{names[name]}"
        audit = functools.cache(functools.partial(prepare, factory, given))
        found += [Check(audit, label, code, reasons.get(code)) for code in codes]
    if not found:
        raise UsageError("found no factories, expected at least one")
    return found


def parametrize_with_laws(
    factories: Sequence[Any], *, inputs: Any = None, laws: Iterable[str] | None = None,
    expected: Mapping[str, str] | None = None,
) -> pytest.MarkDecorator:  # fmt: skip
    """Parametrise a test over laws and modules; the test takes ``check`` and calls it.

    ::

        @constate.parametrize_with_laws([MyLayer, partial(MyLayer, norm=True)], inputs=["f32[8,16]"],
                                        expected={"D07": "tables are rounded on purpose"})
        def test_state(check):
            check()

    Args:
        factories: classes, partials or functions that take nothing and make a module; or pairs of one and its inputs.
        inputs: as in ``constate.check``, for the factories that come without their own.
        laws: codes or chapters; all by default, without those that start processes.
        expected: by code, why that law is broken on purpose, in every one of the modules. A law that is expected to be
            broken and is not fails the test.

    Raises:
        UsageError: an unknown code, an expectation without a reason, no factories.
    """
    import pytest

    parameters = []
    for check in checks(factories, inputs=inputs, laws=laws, expected=expected):
        strict = pytest.mark.xfail(raises=AuditFailed, strict=True, reason=check.expected or "")
        marks = [strict] if check.expected is not None else []
        parameters.append(pytest.param(check, id=f"{check.name}-{check.code}", marks=marks))
    return pytest.mark.parametrize("check", parameters)


def _name(factory: Callable[[], Any]) -> str:
    """``MyLayer(norm=True)`` for a partial, else the factory's own name."""
    name = name_of(factory).replace("<locals>.", "")
    if not isinstance(factory, functools.partial):
        return name
    given = [*map(_short, factory.args), *(f"{key}={_short(value)}" for key, value in factory.keywords.items())]
    return f"{name}({','.join(given)})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 20 else type(value).__name__
