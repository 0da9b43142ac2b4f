"""The verbs that a backend has, and how backends are found.

A backend is one way to write modules. It does with a module what its users do with it: build, save, load, move,
cast, train, compile. A *handle* is whatever the framework needs to go on with a module; every verb that changes a
module returns the handle to go on with, because some frameworks keep the state outside of the module. Arrays cross
as NumPy arrays.

``read``, ``write`` and ``entries`` are instruments: they reach state through the framework's primitives and never
through the module under test.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np

from constate.errors import UsageError, nearest
from constate.state import Array, Kind, Seen

Handle: TypeAlias = Any
Optimizer: TypeAlias = Literal["sgd", "adam", "adamw"]
Scope: TypeAlias = Literal["trainable", "careless"]


@dataclass(frozen=True)
class Spec:
    """How to make one instance of a module."""

    factory: Callable[[], Any]
    """Makes the framework's own object; takes nothing, may be called any number of times."""
    inputs: tuple[Array, ...]
    """Example inputs, positional: some frameworks need them to know their shapes."""
    seed: int = 0
    """Seeds whatever the framework draws initial values from."""


class Compiled(Protocol):
    """A module compiled by its framework."""

    def __call__(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
        """Run the compiled program on the handle's present state."""
        ...

    @property
    def traces(self) -> int:
        """How often the framework has traced the module so far."""
        ...


@dataclass(frozen=True)
class Gradients:
    """The gradients of ``sum(outputs * cotangents)``."""

    by_path: Mapping[str, Array]
    """For every entry that the framework's natural way to differentiate reaches."""
    by_input: tuple[Array | None, ...]
    """For every input; ``None`` for one that is not of a float type."""


@dataclass(frozen=True)
class Trained:
    """What a training run leaves."""

    handle: Handle
    slots: frozenset[str]
    """Paths of the entries for which the optimizer keeps state (momentum and the like)."""


REPLICAS = 2
"""How many replicas ``spread`` trains."""


@dataclass(frozen=True)
class Spread:
    """What training on several replicas leaves: the entries of each replica by path."""

    born: tuple[Mapping[str, Array], ...]
    """Before the first step, when the engine has taken the replicas over."""
    trained: tuple[Mapping[str, Array], ...]
    """After the last step."""


def shares(batch: tuple[Array, ...]) -> list[tuple[Array, ...]]:
    """What each replica gets of a batch: its part of the first input, and the other inputs as they are."""
    first, *others = batch
    return [(part, *others) for part in np.split(first, REPLICAS)]


class Backend(ABC):
    """One way to write modules, with the verbs of its framework. Raise ``Unsupported`` where there is no such verb."""

    name: ClassVar[str]
    flavour: ClassVar[str]
    package: ClassVar[str]
    """The Python package whose ``modules`` folder holds the catalogue's modules for this backend."""
    separator: ClassVar[str]
    """What the framework puts between the levels of a name."""
    requires: ClassVar[tuple[str, ...]]
    """Distributions whose versions belong in a report."""

    def versions(self) -> dict[str, str]:
        """What a report says of this backend: the versions of what it runs on."""
        return {name: version(name) for name in self.requires}

    # -- making ------------------------------------------------------------------------------------------------

    def module_class(self, module: str) -> type[Any]:
        """The class of a catalogue module: ``batch_norm`` -> ``<package>.modules.batch_norm.BatchNorm``."""
        found = importlib.import_module(f"{self.package}.modules.{module}")
        cls: type[Any] = getattr(found, "".join(word.title() for word in module.split("_")))
        return cls

    @abstractmethod
    def factory(self, module: str, config: Mapping[str, Any], seed: int) -> Callable[[], Any]:
        """A factory of a catalogue module."""

    def spec(self, module: str, config: Mapping[str, Any], inputs: tuple[Array, ...], seed: int = 0) -> Spec:
        """The spec of a catalogue module."""
        return Spec(self.factory(module, config, seed), inputs, seed)

    @abstractmethod
    def build(self, spec: Spec, *, device: str | None = None) -> Handle:
        """A new instance with its state; with ``device``, under the framework's default-device context."""

    @abstractmethod
    def abstract(self, spec: Spec) -> Handle:
        """An instance whose entries have shapes and dtypes and no memory."""

    @abstractmethod
    def materialise(self, handle: Handle, spec: Spec) -> Handle:
        """Give an abstract instance memory, with whatever bytes."""

    @abstractmethod
    def shared(self, spec: Spec, names: Mapping[str, str]) -> Spec:
        """A spec of the same module whose author let entries stand in two places: those at the paths ``names``, and
        under the given name at the root, as the framework's users do it."""

    # -- instruments -------------------------------------------------------------------------------------------

    @abstractmethod
    def entries(self, handle: Handle) -> dict[str, Seen]:
        """Every entry, saved or not, by canonical path. Works on an abstract handle as well."""

    @abstractmethod
    def listing(self, handle: Handle) -> list[str]:
        """The names in the framework's own listing of what it saves, in its order and spelling, duplicates kept."""

    @abstractmethod
    def read(self, handle: Handle, path: str) -> Array:
        """A copy of an entry."""

    @abstractmethod
    def write(self, handle: Handle, path: str, value: Array) -> Handle:
        """Put bits of the same shape and dtype into an entry, in place where the framework works in place."""

    def is_shared(self, handle: Handle, path: str, name: str) -> bool:
        """Whether the entry of a path and the one under a name at the root are one."""
        seen = self.entries(handle)
        return path in seen and name in seen and seen[path].identity == seen[name].identity

    @abstractmethod
    def strays(self, handle: Handle) -> dict[str, str]:
        """Arrays of the framework held by the module outside of its entries (attributes, lists, dicts), by
        attribute path, with their device."""

    # -- running -----------------------------------------------------------------------------------------------

    @abstractmethod
    def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
        """The outputs and the handle with the state after them. Inputs are put where the module is. On a device
        without memory the outputs are zeros of the right shape."""

    @abstractmethod
    def gradients(
        self, handle: Handle, inputs: tuple[Array, ...], cotangents: Array, *, training: bool = False
    ) -> Gradients:
        """Gradients of ``sum(outputs * cotangents)`` for the entries and for the inputs."""

    @abstractmethod
    def train(
        self, handle: Handle, batches: Sequence[tuple[Array, ...]], optimizer: Optimizer, scope: Scope
    ) -> Trained:
        """One step a batch, in training mode, on the loss ``mean(outputs**2) + sum(mean(p**2) for p in trainable)``
        with learning rate 0.01; ``sgd`` has momentum 0.9, ``adamw`` weight decay 0.1. With scope ``trainable`` the
        optimizer gets the framework's trainable listing; with ``careless``, the listing that a user in a hurry hands
        it."""

    def begun(self, spec: Spec, state: Mapping[str, Array]) -> Handle:
        """A new instance to be trained on: with these bits in its entries, and for every name that is none of them a
        parameter at its root."""
        handle = self.build(spec)
        present = self.entries(handle)
        for path, value in state.items():
            if path in present:
                handle = self.write(handle, path, value)
            else:
                handle = self.register(handle, path, value, kind=Kind.PARAMETER)
        return handle

    @abstractmethod
    def spread(
        self, spec: Spec, state: Mapping[str, Array], batches: Sequence[tuple[Array, ...]], optimizer: Optimizer
    ) -> Spread:
        """Train ``REPLICAS`` replicas in the framework's own data-parallel engine: the steps and the loss of ``train``,
        the optimizer on the trainable listing, each replica on its part of every batch (``shares``).

        A replica begins as ``begun`` makes it. Where each is made in a process of its own, each has a seed of its own:
        that of the spec plus its number. Raises ``UsageError`` where there is no room for two.
        """

    @abstractmethod
    def alive(self, handle: Handle) -> dict[str, int]:
        """How much there is at this moment, garbage left out: in the whole process ``arrays`` of the framework, their
        ``bytes``, and the nodes of graphs where the framework keeps any; and ``numbers`` held by this module (Python
        floats, NumPy arrays)."""

    @abstractmethod
    def compile(self, handle: Handle) -> Compiled:
        """The module compiled."""

    @abstractmethod
    def literals(self, handle: Handle, inputs: tuple[Array, ...]) -> list[int]:
        """The sizes in bytes of the constants that are baked into the traced program of an eval pass."""

    # -- storing -----------------------------------------------------------------------------------------------

    @abstractmethod
    def formats(self) -> dict[str, str]:
        """The file formats and the suffix that each wants, the usual one first."""

    @property
    @abstractmethod
    def exchange_format(self) -> str | None:
        """The format in which this backend would hand a checkpoint to another framework."""

    @abstractmethod
    def save(self, handle: Handle, path: Path, format: str) -> None:
        """Write the module's state to a file or folder that does not exist yet."""

    @abstractmethod
    def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
        """Read it back into a module of the same architecture."""

    @abstractmethod
    def stored(self, path: Path, format: str) -> list[Array]:
        """Every array in a file, read by means of the format and without a module."""

    @abstractmethod
    def copies(self) -> tuple[str, ...]:
        """The ways to copy a module."""

    @abstractmethod
    def copy(self, handle: Handle, how: str) -> Handle:
        """A copy of the module with its state."""

    # -- placing -----------------------------------------------------------------------------------------------

    @abstractmethod
    def devices(self) -> tuple[str, ...]:
        """Devices to move to, spelled as in ``Seen.device``, other than the default one."""

    @abstractmethod
    def move(self, handle: Handle, device: str, spec: Spec) -> Handle:
        """The module on another device."""

    @abstractmethod
    def cast(self, handle: Handle, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> Handle:
        """The module with its float entries in another float type; ``keep`` names paths to pin, where the framework
        has a way to say so."""

    # -- naming ------------------------------------------------------------------------------------------------

    @abstractmethod
    def register(
        self, handle: Handle, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> Handle:
        """Add an entry to a built module, under the module's root, as the framework's users would."""

    @abstractmethod
    def register_none(self, handle: Handle, name: str) -> Handle:
        """Add an optional entry that is not there to a built module, under its root: the name with ``None``."""

    @abstractmethod
    def taken(self, handle: Handle) -> dict[str, str]:
        """Names that an entry must not take, by what they are: ``attribute``, ``parameter``, ``submodule``,
        ``method``, each where the module has one."""

    @abstractmethod
    def assign(self, handle: Handle, path: str, value: Any) -> Handle:
        """Give an entry a new value as the framework's users would; the value may be of a wrong shape, dtype or
        type, and the framework may refuse it."""

    # -- freezing ----------------------------------------------------------------------------------------------

    @abstractmethod
    def freeze(self, handle: Handle, frozen: bool) -> Handle:
        """Freeze the whole module, or set it free again."""


KNOWN = {
    "torch": "constate-torch",
    "linen": "constate-flax",
    "nnx": "constate-flax",
    "tensorflow": "constate-tensorflow[cpu]",
    "keras-tensorflow": "constate-keras[tensorflow]",
}
"""The backends of this project and what to install for each."""

FLAVOURS = ("native", "constate")


def installed() -> list[str]:
    """The names of the installed backends: those of this project in their usual order, then others."""
    found = {point.name for point in entry_points(group="constate.backends")}
    return [name for name in KNOWN if name in found] + sorted(found - KNOWN.keys())


def package_folder(name: str) -> Path:
    """The folder of an installed backend's package, found without importing it."""
    (point,) = entry_points(group="constate.backends", name=name)
    top, *below = point.module.split(".")[:-1]
    found = find_spec(top)
    if found is None or not found.submodule_search_locations:
        raise UsageError(f"backend {name!r} is registered but its package {top} is not there; reinstall it")
    return Path(found.submodule_search_locations[0], *below)


def check_names(names: Sequence[str]) -> None:
    """Raise ``UsageError`` for a backend that is unknown or not installed. Imports no framework."""
    present = installed()
    for name in names:
        if name in present:
            continue
        if name in KNOWN:
            raise UsageError(f"backend {name!r} is not installed; install it with: pip install '{KNOWN[name]}'")
        raise UsageError(f"unknown backend {name!r}{nearest(name, [*KNOWN, *present])}")


def get_backend(name: str, flavour: str = "constate") -> Backend:
    """The backend of that name, which imports its framework.

    Raises ``UsageError`` for a name or flavour that is not known or not installed.
    """
    check_names([name])
    if flavour not in FLAVOURS:
        raise UsageError(f"unknown flavour {flavour!r}; expected one of {', '.join(FLAVOURS)}")
    (point,) = entry_points(group="constate.backends", name=name)
    flavours: Mapping[str, type[Backend]] = point.load()
    return flavours[flavour]()
