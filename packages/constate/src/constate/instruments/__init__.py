"""What an audit does with a module of any framework.

Unlike a ``Backend``, which runs the catalogue's modules, these take modules of any kind: arguments and outputs of any
structure, constructors and passes that raise, state in places that the framework does not know. Everything is done by
the framework's own verbs, as a good user of it would. State is read through the framework's primitives and never
through the module. Every verb that changes a module returns the handle to go on with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, TypeAlias

from constate.backend import Handle as Handle
from constate.backend import Optimizer
from constate.backend import Scope as Scope
from constate.errors import Unsupported
from constate.instruments.holdings import Holding, Part, Walk
from constate.instruments.inputs import Call, Inputs
from constate.state import Array, Seen, dtype_named

Outputs: TypeAlias = dict[str, Array]
Replica: TypeAlias = tuple[Mapping[str, Array], Mapping[str, Array]]
"""The state of a replica at construction and after some steps, by path."""


@dataclass(frozen=True, slots=True)
class Held(Seen):
    """One entry, saved or not, and who holds it. It has another's identity exactly if they share memory."""

    owner: type
    """The class of the object that holds it."""
    name: str
    """Its name in that object."""

    @property
    def nbytes(self) -> int:
        """The size in memory."""
        return prod(self.shape) * dtype_named(self.dtype).itemsize


@dataclass(frozen=True)
class Baked:
    """A literal in a traced program."""

    nbytes: int
    form: str
    """``float32[64, 64]``."""
    name: str
    """What the framework calls it, empty where it has no name."""
    identity: int
    """The address of its memory, as ``address`` gives it; 0 where that is not known."""
    value: Array | None = None


@dataclass(frozen=True)
class Replaced:
    """A name that was registered twice while a module was made."""

    path: str
    owner: type
    name: str
    differs: bool
    """Whether the first value had another shape, dtype or other bits."""


class Instruments(ABC):
    """One framework. An instance is for one module: its factory and what it is called with."""

    backend: ClassVar[str]
    """The name of the backend."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions belong in a report."""
    internals: ClassVar[frozenset[str]]
    """Top packages whose objects are not walked through."""
    libraries: ClassVar[frozenset[str]] = frozenset()
    """Those among them that keep what they have computed in globals, where a literal may come from."""
    fixes: ClassVar[Mapping[str, str]]
    """By law: the lines to write instead, with ``{name}`` for the entry's name."""
    seeds: ClassVar[frozenset[str]] = frozenset()
    """Names of the one argument that a factory may ask for, by which ``build`` gives it its seed."""
    explicit: ClassVar[bool] = True
    """Whether the framework asks authors to say what is a parameter. ``False`` for plain pytrees."""

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory
        self.inputs: Inputs | None = None

    @classmethod
    @abstractmethod
    def owns(cls, made: object) -> bool:
        """Whether what a factory made is a module of this framework."""

    @classmethod
    def sketch(cls, factory: Callable[[], Any]) -> object | None:
        """What the factory makes, made without memory; ``None`` where there is no such way or the constructor fails."""
        return None

    def infer_inputs(self, made: object) -> Inputs | None:
        """The inputs, where the framework or the module knows them."""
        return None

    def at_work(self) -> AbstractContextManager[None]:
        """What is set in the framework while it is used for an audit, and put back afterwards."""
        return nullcontext()

    # -- making ------------------------------------------------------------------------------------------------

    @abstractmethod
    def build(self, seed: int) -> Handle:
        """A new instance, with the framework's, NumPy's and Python's random generators seeded first."""

    def drawn(self) -> frozenset[str] | None:
        """The entries whose values come of random draws, whatever the seed; ``None`` where that cannot be seen."""
        return None

    def abstract(self, seed: int) -> Handle:
        """An instance without memory. Raises whatever the constructor raises then."""
        raise Unsupported(f"{self.backend} has no build without memory")

    def materialise(self, handle: Handle) -> Handle:
        """Give an abstract instance memory, with whatever bytes."""
        raise Unsupported(f"{self.backend} has no build without memory")

    def reinitialise(self, handle: Handle) -> Handle:
        """Run the hooks by which the module's authors set memory that has just been given, if there are any."""
        return handle

    def stamps(self, handle: Handle) -> dict[str, object]:
        """For every entry of an instance without memory something that changes when the entry is written or replaced;
        empty where that cannot be seen."""
        return {}

    # -- state -------------------------------------------------------------------------------------------------

    @abstractmethod
    def entries(self, handle: Handle) -> dict[str, Held]:
        """Every entry by path, also of an abstract handle; an entry that is ``None`` is not there."""

    @abstractmethod
    def listing(self, handle: Handle) -> list[str]:
        """The names that the framework's own way to save would write."""

    @abstractmethod
    def read(self, handle: Handle, path: str) -> Array:
        """A copy of an entry's bits."""

    @abstractmethod
    def write(self, handle: Handle, path: str, value: Array) -> Handle:
        """Put bits of the same shape and dtype into an entry."""

    def optional(self, handle: Handle) -> list[str]:
        """The paths of entries that are registered and ``None``."""
        return []

    def holder(self, handle: Handle, path: str) -> type | None:
        """The class of the object that has an entry which is ``None``."""
        return None

    def graphs(self, handle: Handle) -> dict[str, str]:
        """Entries that are no parameters and hold one, or hold a live graph: by path, what they hold."""
        return {}

    def replaced(self) -> list[Replaced]:
        """The names that were registered twice during the last ``build``."""
        return []

    # -- what is held outside of the state -----------------------------------------------------------------------

    def root(self, handle: Handle) -> Any:
        """The object to walk through."""
        return handle

    @abstractmethod
    def is_array(self, item: object) -> bool:
        """Whether it is an array or a variable of the framework."""

    @abstractmethod
    def is_variable(self, item: object) -> bool:
        """Whether it is what the framework trains or tracks: a parameter, a variable."""

    @abstractmethod
    def value(self, item: Any) -> Array:
        """A copy of the bits of an array or variable of the framework."""

    @abstractmethod
    def address(self, item: Any) -> int:
        """Equal to an entry's ``identity``, or to another's address, exactly if a write to one is seen in the other."""

    @abstractmethod
    def device(self, item: Any) -> str:
        """Where it is, spelled as in ``Held.device``."""

    def parts(self, item: Any) -> Iterator[Part] | None:
        """The parts of a module of the framework without its registered entries; ``None`` for anything else."""
        return None

    def holdings(self, handle: Handle) -> list[Holding]:
        """Everything that is held outside of the registered state."""
        own = {held.identity for held in self.entries(handle).values()}
        return [
            holding
            for holding in self.everything(handle)
            if not (self.is_array(holding.value) and self.address(holding.value) in own)
        ]

    def everything(self, handle: Handle, *, libraries: bool = False) -> Iterator[Holding]:
        """Everything that is held, entries and other names of them included; also by libraries, if asked for."""
        closed = self.internals - self.libraries if libraries else self.internals
        return Walk(self.is_array, self.parts, closed | {"numpy", "constate"}).holdings(self.root(handle))

    # -- running -----------------------------------------------------------------------------------------------

    @abstractmethod
    def run(self, handle: Handle, call: Call, *, training: bool = False, seed: int = 0) -> tuple[Outputs, Handle]:
        """One pass without gradients: every array of the outputs by its path in them (``""`` for a single one), and
        the handle after it. NumPy arrays in the call become arrays of the framework where the module is; float inputs
        take the float type of the module where that is another. On a device without memory the outputs are empty."""

    @abstractmethod
    def train(
        self, handle: Handle, calls: Sequence[Call], optimizer: Optimizer, scope: Scope = "trainable", seed: int = 0
    ) -> Handle:
        """One step a call, in training mode, on the means of the squares of all float outputs; learning rate 0.01,
        ``sgd`` without momentum, ``adamw`` with weight decay 0.1, a new optimizer each time. ``careless``: over the
        listing that a user in a hurry hands to the optimizer. Where nothing is trained: passes in training mode."""

    def gradients(self, handle: Handle, call: Call, *, training: bool = True) -> dict[str, Array | None]:
        """The gradient of that loss for every trainable entry; ``None`` where none reaches it."""
        raise Unsupported(f"{self.backend} cannot say which gradients reach an entry")

    @abstractmethod
    def literals(self, handle: Handle, call: Call) -> list[Baked]:
        """The literals in the traced program of an eval pass."""

    def graph_size(self, handle: Handle) -> int:
        """How many operations of a live graph the module holds, in its entries and outside of them."""
        return 0

    # -- storing -----------------------------------------------------------------------------------------------

    @abstractmethod
    def save(self, handle: Handle) -> Any:
        """What the framework's own way to save keeps of the module, in memory."""

    @abstractmethod
    def load(self, handle: Handle, saved: Any) -> Handle:
        """The framework's own, strict way to load it."""

    @abstractmethod
    def copies(self) -> tuple[str, ...]:
        """The ways to copy a module: ``deepcopy``, ``pickle``, and the framework's own."""

    @abstractmethod
    def copy(self, handle: Handle, how: str) -> Handle:
        """A copy."""

    def lacking(self, handle: Handle) -> str | None:
        """What the module lacks that the framework needs to copy it, and that ``copy`` supplies, so that what comes
        after is seen."""
        return None

    def hindrance(self, handle: Handle, how: str) -> str | None:
        """The path of what keeps a module from being copied; ``None`` where that is for a walk through it to find."""
        return None

    # -- placing -----------------------------------------------------------------------------------------------

    @abstractmethod
    def devices(self) -> tuple[str, ...]:
        """Devices to move to, spelled as in ``Held.device``, other than the default one; the best one first."""

    def remembers(self, device: str) -> bool:
        """Whether what is moved to the device keeps its bits, and what is shared stays shared as it would elsewhere."""
        return True

    @abstractmethod
    def move(self, handle: Handle, device: str) -> Handle:
        """The module on another device, by the framework's own verb."""

    @abstractmethod
    def moved(self, item: Any, device: str) -> Any:
        """An array or variable of the framework that is outside of the state, on another device."""

    @abstractmethod
    def cast(self, handle: Handle, dtype: str) -> Handle:
        """The module in another float type, by the framework's own verb. Raises ``Unsupported`` where it has none."""

    # -- freezing, spreading -------------------------------------------------------------------------------------

    def freeze(self, handle: Handle, frozen: bool) -> Handle:
        """Freeze the whole module, or set it free again."""
        raise Unsupported(f"{self.backend} has no switch on a module: what is trained is chosen where it is trained")

    def born_frozen(self, handle: Handle) -> frozenset[str]:
        """The parameters that were made untrainable, in distinction to those that were switched off later."""
        return frozenset()

    def replicas(self, calls: Sequence[Call], steps: int) -> Sequence[Replica]:
        """Two replicas in the framework's own data-parallel engine, each with its own half of the data: the state of
        each at construction and after the steps, entries and what is held outside of them."""
        raise Unsupported(f"{self.backend} has no data-parallel engine that runs here")
