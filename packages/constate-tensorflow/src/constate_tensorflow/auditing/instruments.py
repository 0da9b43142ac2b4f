"""TensorFlow: the instruments of an audit, for any ``tf.Module``."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow as tf

from constate.backend import Optimizer
from constate.errors import Unsupported
from constate.instruments import Baked, Held, Instruments, Outputs, Replaced, Scope
from constate.instruments.holdings import Part
from constate.instruments.inputs import Call
from constate.state import Array
from constate_tensorflow.auditing import passing, state, tracing, walking
from constate_tensorflow.auditing.construction import assignments, replaced
from constate_tensorflow.auditing.fixes import FIXES
from constate_tensorflow.native import two_devices
from constate_tensorflow.tree import device_of, remade


class _Descent:
    """Plain gradient descent as in TensorFlow's guides, for which Keras takes ten times as long."""

    def apply_gradients(self, gradients_and_variables: Iterable[tuple[Any, Any]]) -> None:
        for gradient, variable in gradients_and_variables:
            if gradient is not None:
                variable.assign_sub(0.01 * tf.convert_to_tensor(gradient))


OPTIMIZERS: dict[Optimizer, Callable[[], Any]] = {
    "sgd": _Descent,
    "adam": lambda: tf.keras.optimizers.Adam(0.01),
    "adamw": lambda: tf.keras.optimizers.AdamW(0.01, weight_decay=0.1),
}

two_devices()  # before anything is made: the devices are fixed when TensorFlow first runs
tf.get_logger().setLevel("ERROR")  # what counts is what a verb does or raises, not what it logs


class TensorFlow(Instruments):
    """The verbs of ``tf.Module`` and its companions."""

    backend = "tensorflow"
    requires = ("keras",)
    internals = frozenset({"tensorflow", "keras", "wrapt"})
    fixes = FIXES

    def __init__(self, factory: Callable[[], Any]) -> None:
        super().__init__(factory)
        self._found: tuple[Any, dict[str, state.Slot]] | None = None
        self._replaced: list[Replaced] = []

    @classmethod
    def owns(cls, made: object) -> bool:
        return isinstance(made, tf.Module)

    # -- making ------------------------------------------------------------------------------------------------

    def build(self, seed: int) -> Any:
        return self._build(seed, None)

    def _build(self, seed: int, device: str | None) -> Any:
        with tf.device(device):
            handle = self._made(seed)
            if self.inputs is not None and not state.slots(handle):
                # Variables that are made by the first call, as in the TensorFlow guide's FlexibleDense.
                with suppress(Exception):
                    self.run(handle, self.inputs.first())
                if not state.slots(handle):
                    handle = self._made(seed)
        return handle

    def _made(self, seed: int) -> Any:
        self._found = None
        passing.seed_all(seed)
        with assignments() as found:
            handle = self.factory()
        self._replaced = list(replaced(found, state.slots(handle))) if found else []
        return handle

    def replaced(self) -> list[Replaced]:
        return self._replaced

    # -- state -------------------------------------------------------------------------------------------------

    def entries(self, handle: Any) -> dict[str, Held]:
        self._found = None
        trained = {state.memory(variable) for variable in self._listed(handle, "trainable")}
        return {
            path: Held(
                path=path,
                shape=state.shape(slot.variable),
                dtype=state.dtype_name(slot.variable),
                device=device_of(slot.variable),
                trainable=state.memory(slot.variable) in trained,
                persistent=slot.tracked,
                identity=state.memory(slot.variable),
                owner=type(slot.holder),
                name=slot.name,
            )
            for path, slot in self._slots(handle).items()
        }

    def _slots(self, handle: Any) -> dict[str, state.Slot]:
        """The variables by path; found again after whatever may have changed them."""
        if self._found is None or self._found[0] is not handle:
            self._found = (handle, state.slots(handle))
        return self._found[1]

    def _listed(self, handle: Any, scope: Scope) -> list[Any]:
        """What the module lists for an optimizer; of one whose listing raises, what its variables say themselves."""
        try:
            return list(handle.trainable_variables if scope == "trainable" else handle.variables)
        except Exception:
            found = {state.memory(slot.variable): slot.variable for slot in self._slots(handle).values()}
            return [variable for variable in found.values() if variable.trainable or scope == "careless"]

    def listing(self, handle: Any) -> list[str]:
        names: dict[int, str] = {}
        for path, slot in state.slots(handle).items():
            if slot.tracked:
                names.setdefault(state.memory(slot.variable), path)
        return [*names.values(), *state.others(handle)]

    def read(self, handle: Any, path: str) -> Array:
        return state.bits(self._slots(handle)[path].variable)

    def write(self, handle: Any, path: str, value: Array) -> Any:
        self._slots(handle)[path].variable.assign(value)
        return handle

    # -- what is held outside of the state -----------------------------------------------------------------------

    def is_array(self, item: object) -> bool:
        if state.is_weight(item):
            return state.unwrapped(item) is not None
        return isinstance(item, tf.Tensor) and state.has_numbers(item)

    def is_variable(self, item: object) -> bool:
        return state.is_weight(item)

    def value(self, item: Any) -> Array:
        return state.bits(self._plain(item))

    def address(self, item: Any) -> int:
        return state.memory(self._plain(item))

    def device(self, item: Any) -> str:
        return device_of(self._plain(item))

    def _plain(self, item: Any) -> Any:
        return state.unwrapped(item) if state.is_weight(item) else item

    def parts(self, item: Any) -> Iterator[Part] | None:
        return walking.parts(item)

    # -- running -----------------------------------------------------------------------------------------------

    @contextmanager
    def _at_home(self, handle: Any) -> Iterator[Any]:
        """The device scope of the module, in which arrays on other devices are not copied in silence; gives the float
        type that its inputs take."""
        found = [slot.variable for slot in self._slots(handle).values()]
        self._found = None
        floats = [v for v in found if v.dtype.is_floating]
        trained = [v for v in floats if v.trainable]
        dtype = next((v.dtype for v in (*trained, *floats)), None)
        home = found[0].device if found else None
        elsewhere = bool(found) and device_of(found[0]) != device_of(tf.zeros(()))
        try:
            with passing.explicit() if elsewhere else nullcontext(), tf.device(home):
                yield dtype
        finally:
            self._found = None

    def run(self, handle: Any, call: Call, *, training: bool = False, seed: int = 0) -> tuple[Outputs, Any]:
        passing.seed_all(seed)
        with self._at_home(handle) as dtype:
            outputs = passing.invoke(handle, passing.tensors(call, dtype), training)
            return passing.arrays(outputs), handle

    def train(
        self, handle: Any, calls: Sequence[Call], optimizer: Optimizer, scope: Scope = "trainable", seed: int = 0
    ) -> Any:
        passing.seed_all(seed)
        stepper = OPTIMIZERS[optimizer]()
        for call in calls:
            gradients, listing = self._step(handle, call, scope)
            if any(gradient is not None for gradient in gradients):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of variables without a gradient; a warning is no refusal
                    stepper.apply_gradients(zip(gradients, listing, strict=True))
        return handle

    def _step(self, handle: Any, call: Call, scope: Scope, training: bool = True) -> tuple[list[Any], list[Any]]:
        """The gradients of the loss of one pass, and what they are of."""
        with self._at_home(handle) as dtype, tf.GradientTape() as tape:
            loss = passing.loss_of(passing.invoke(handle, passing.tensors(call, dtype), training))
        listing = self._listed(handle, scope)
        return (tape.gradient(loss, listing) if loss is not None else [None] * len(listing)), listing

    def gradients(self, handle: Any, call: Call, *, training: bool = True) -> dict[str, Array | None]:
        passing.seed_all(0)
        found, listing = self._step(handle, call, "trainable", training)
        # Looking up rows gives a gradient in slices, which becomes a tensor here.
        arrays = [None if gradient is None else state.bits(tf.convert_to_tensor(gradient)) for gradient in found]
        by_memory = dict(zip(map(state.memory, listing), arrays, strict=True))
        held = {path: state.memory(slot.variable) for path, slot in self._slots(handle).items()}
        return {path: by_memory[memory] for path, memory in held.items() if memory in by_memory}

    def literals(self, handle: Any, call: Call) -> list[Baked]:
        passing.seed_all(0)
        with self._at_home(handle) as dtype:
            return list(tracing.literals(handle, passing.tensors(call, dtype)))

    # -- storing -----------------------------------------------------------------------------------------------

    def save(self, handle: Any) -> dict[str, bytes]:
        with TemporaryDirectory() as folder:
            tf.train.Checkpoint(handle).write(str(Path(folder, "module")))
            return {file.name: file.read_bytes() for file in Path(folder).iterdir() if file.is_file()}

    def load(self, handle: Any, saved: dict[str, bytes]) -> Any:
        self._found = None
        with self._written(saved) as path:
            tf.train.Checkpoint(handle).read(path).assert_consumed()
        return handle

    @contextmanager
    def _written(self, saved: dict[str, bytes]) -> Iterator[str]:
        """A checkpoint on disk."""
        with TemporaryDirectory() as folder:
            for name, content in saved.items():
                Path(folder, name).write_bytes(content)
            yield str(Path(folder, "module"))

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy", "pickle")

    def copy(self, handle: Any, how: str) -> Any:
        return copy.deepcopy(handle) if how == "deepcopy" else pickle.loads(pickle.dumps(handle))

    # -- placing -----------------------------------------------------------------------------------------------

    def devices(self) -> tuple[str, ...]:
        names = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
        return tuple(name for name in names if name != device_of(tf.zeros(())))

    def move(self, handle: Any, device: str) -> Any:
        """A variable stays where it was made: make another module there, and give it the values."""
        moved = self._build(0, device)
        with self._written(self.save(handle)) as path:
            tf.train.Checkpoint(moved).read(path)  # what a pass makes there later gets its value then
        old = state.slots(handle)
        for name, slot in state.slots(moved).items():
            if name in old and not slot.tracked:
                slot.variable.assign(state.bits(old[name].variable))
        return moved

    def moved(self, item: Any, device: str) -> Any:
        with tf.device(device):
            return remade(item, item.read_value()) if isinstance(item, tf.Variable) else tf.identity(item)

    def cast(self, handle: Any, dtype: str) -> Any:
        raise Unsupported(
            "The type of a tf.Variable is fixed after construction, and tf.Module has no verb that makes its variables "
            "again in another.",
            "https://www.tensorflow.org/api_docs/python/tf/Variable",
        )

    def freeze(self, handle: Any, frozen: bool) -> Any:
        raise Unsupported(
            "tf.Variable.trainable cannot be set after construction: one freezes by leaving variables out of what is "
            "handed to the tape and to the optimizer.",
            "https://github.com/tensorflow/tensorflow/issues/60004",
        )
