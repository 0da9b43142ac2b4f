"""Every law can fail: each planted defect is caught, by name."""

from __future__ import annotations

import pytest
from mutants import MUTANTS, Mutant

from constate.backend import Backend, get_backend
from constate.checking import formats_of, run_cell
from constate.laws import LAWS, get_law
from constate.verdicts import Verdict
from contract.conftest import EXCHANGE


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{m.law}-{m.name}" for m in MUTANTS])
def test_the_law_catches_the_defect(backend_name: str, mutant: Mutant) -> None:
    """The law holds without the defect and is broken with it; where it does not apply, it applies to neither. Where the
    framework has the defect itself, which is a limit that the package declares, another mutant of the law has to show
    on another module that it can fail."""
    sound = get_backend(backend_name, "constate")
    mutated: Backend = mutant.wrap(type(sound))()
    format = formats_of(get_law(mutant.law), sound)[0]
    before = run_cell(sound, mutant.module, mutant.law, format, EXCHANGE)
    after = run_cell(mutated, mutant.module, mutant.law, format, EXCHANGE)
    if before.verdict is Verdict.NOT_APPLICABLE:
        assert after.verdict is Verdict.NOT_APPLICABLE, after.reason
        assert before.link, "not applicable to the framework, and not merely to this module"
    else:
        if before.verdict is Verdict.LIMITED:
            others = {other.module for other in MUTANTS if other.law == mutant.law} - {mutant.module}
            kept = [run_cell(sound, module, mutant.law, format, EXCHANGE) for module in sorted(others)]
            assert any(cell.verdict is Verdict.HOLDS for cell in kept), "no mutant shows that the law can fail here"
        else:
            assert before.verdict is Verdict.HOLDS, before.reason
        assert after.verdict in (Verdict.BROKEN, Verdict.LIMITED), f"not caught: {after.verdict} {after.reason}"
        assert after.found
        assert after.expected


def test_every_law_has_a_mutant() -> None:
    """No law that was never seen to fail."""
    assert {mutant.law for mutant in MUTANTS} == LAWS.keys()
