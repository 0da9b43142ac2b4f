"""What a catalogue module is: a configuration, declared entries and a NumPy float64 reference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np

from constate.state import Array, Entry, dtype_named

State = dict[str, Array]


@dataclass(frozen=True)
class Reference(ABC):
    """One module of the catalogue. The fields of a subclass are the arguments of the module in every framework.

    All arithmetic of ``apply`` is in float64; the state that it takes and gives has the declared dtypes, except that
    a statistic stays in float64 from call to call so that a thousand updates can be compared.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    """Citation and link."""
    bound: ClassVar[float]
    """Largest absolute difference of a float32 output from this reference, for ``inputs``."""
    bfloat16_bound: ClassVar[float]
    """The same after a cast of module and inputs to bfloat16, for ``extreme_inputs``."""
    statistics_bound: ClassVar[float] = 0.0
    """Largest absolute difference of a float32 statistic after 1,000 updates."""

    @property
    def link(self) -> str:
        """Where the source can be read: the last word of ``source``."""
        return self.source.split()[-1]

    @property
    def config(self) -> dict[str, Any]:
        """The arguments of the module."""
        return asdict(self)

    @classmethod
    @abstractmethod
    def large(cls) -> Self:
        """The same module with every persistent or derived array above 1 KiB."""

    @abstractmethod
    def entries(self) -> tuple[Entry, ...]:
        """The declared entries, in the order in which they are declared in the modules."""

    @abstractmethod
    def inputs(self, rng: np.random.Generator) -> tuple[Array, ...]:
        """One batch of ordinary inputs."""

    def extreme_inputs(self, rng: np.random.Generator) -> tuple[Array, ...]:
        """Inputs at the end of the range in use, where rounding hurts most."""
        return self.inputs(rng)

    @abstractmethod
    def initial_state(self, rng: np.random.Generator) -> State:
        """A state in the declared dtypes as a trained module might have it: nothing at its neutral value."""

    @abstractmethod
    def apply(self, state: State, inputs: tuple[Array, ...], training: bool) -> tuple[Array, State]:
        """Outputs in float64, and the state after them."""

    def declared(self) -> dict[str, Entry]:
        """The declared entries by path."""
        return {entry.path: entry for entry in self.entries()}

    def in_dtypes(self, state: State) -> State:
        """The state rounded to the declared dtypes."""
        return {path: np.asarray(state[path]).astype(dtype_named(e.dtype)) for path, e in self.declared().items()}
