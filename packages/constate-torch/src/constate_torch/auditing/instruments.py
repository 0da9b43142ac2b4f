"""PyTorch: the instruments of an audit, for any ``torch.nn.Module``."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import pickle
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from constate.backend import Optimizer
from constate.instruments import Baked, Outputs, Replica, Scope
from constate.instruments.imports import imports_in
from constate.instruments.inputs import Call, Inputs
from constate.state import Array
from constate_torch.arrays import BY_NAME, from_numpy
from constate_torch.auditing import replicas, tensors
from constate_torch.auditing.construction import Construction
from constate_torch.auditing.fixes import FIXES
from constate_torch.auditing.inferring import candidates
from constate_torch.auditing.looking import Looking

OPTIMIZERS: dict[Optimizer, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.01),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1),
}


@contextlib.contextmanager
def _without_memory() -> Iterator[None]:
    usual = torch.get_default_device()
    with torch.device("meta"), imports_in(lambda: torch.device(usual)):
        yield


class Torch(Looking):
    """PyTorch's own verbs."""

    backend = "torch"
    requires = ("torch",)
    internals = frozenset({"torch", "functorch", "torchgen"})
    fixes = FIXES

    def __init__(self, factory: Callable[[], nn.Module]) -> None:
        super().__init__(factory)
        self._float: torch.dtype | None = None

    @classmethod
    def owns(cls, made: object) -> bool:
        return isinstance(made, nn.Module)

    @classmethod
    def sketch(cls, factory: Callable[[], Any]) -> object | None:
        with suppress(Exception), _without_memory():
            made: object = factory()
            return made
        return None

    def infer_inputs(self, made: object) -> Inputs | None:
        for inputs in candidates(made):
            with suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.run(self._make(0), inputs.first())[0]:
                    return inputs
        return None

    # -- making ------------------------------------------------------------------------------------------------

    def _make(self, seed: int) -> nn.Module:
        _seed(seed)
        record = Construction()
        with record.recorded():
            module = self.factory()
        if not isinstance(module, nn.Module):
            raise TypeError(f"the factory made a {type(module).__name__}, expected a torch.nn.Module")
        self._made[module] = record
        self._last = module, record
        return module

    def build(self, seed: int) -> nn.Module:
        module = self._make(seed)
        if self.inputs is not None and any(t is not None and nn.parameter.is_lazy(t) for t in _tensors(module)):
            self.run(module, self.inputs.first())
        self._float = self._float or _float_type(module)
        return module

    def abstract(self, seed: int) -> nn.Module:
        with _without_memory():
            return self._make(seed)

    def materialise(self, handle: nn.Module) -> nn.Module:
        return handle.to_empty(device="cpu")

    def reinitialise(self, handle: nn.Module) -> nn.Module:
        with torch.no_grad():
            for hook in tensors.own_hooks(handle):
                with suppress(Exception):  # a hook that cannot run does not set the memory, which is what is looked at
                    hook()
        return handle

    def stamps(self, handle: nn.Module) -> dict[str, object]:
        found: dict[str, object] = {}
        for kind in ("_parameters", "_buffers"):
            for path, _, _, tensor in tensors.registered(handle, kind):
                if tensor is not None:
                    found[path] = id(tensor), tensor._version
        return found

    # -- running -----------------------------------------------------------------------------------------------

    def _place(self, handle: nn.Module, call: Call) -> Call:
        device = next((t.device for t in _tensors(handle) if t is not None), torch.device("cpu"))
        now = _float_type(handle)

        def place(leaf: Any) -> Any:
            if isinstance(leaf, np.ndarray):
                leaf = from_numpy(np.array(leaf))
            if isinstance(leaf, Tensor):
                other = now is not None and self._float is not None and now is not self._float
                return leaf.to(device, now if other and leaf.is_floating_point() else leaf.dtype)
            return leaf

        return call.map(place)

    def _pass(self, handle: nn.Module, call: Call, training: bool, seed: int) -> Any:
        _seed(seed)
        handle.train(training)
        placed = self._place(handle, call)
        return handle(*placed.args, **placed.kwargs)

    @torch.no_grad()
    def run(self, handle: nn.Module, call: Call, *, training: bool = False, seed: int = 0) -> tuple[Outputs, nn.Module]:
        outputs = self._pass(handle, call, training, seed)
        return {path: tensors.bits(tensor) for path, tensor in tensors.flat(outputs)}, handle

    def _loss(self, handle: nn.Module, call: Call, seed: int, training: bool = True) -> Tensor | None:
        found = tensors.flat(self._pass(handle, call, training, seed))
        outputs = [tensor for _, tensor in found if tensor.requires_grad and tensor.numel()]
        return torch.stack([(t.abs() ** 2).mean().float().cpu() for t in outputs]).sum() if outputs else None

    def train(
        self, handle: nn.Module, calls: Sequence[Call], optimizer: Optimizer, scope: Scope = "trainable", seed: int = 0
    ) -> nn.Module:
        every = list(handle.parameters())
        listing = every if scope == "careless" else [p for p in every if p.requires_grad]
        stepper = OPTIMIZERS[optimizer](listing) if listing else None
        with torch.enable_grad():
            for step, call in enumerate(calls):
                loss = self._loss(handle, call, seed + step)
                if stepper is None or loss is None:
                    continue
                stepper.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                stepper.step()
        return handle

    def gradients(self, handle: nn.Module, call: Call, *, training: bool = True) -> dict[str, Array | None]:
        handle.zero_grad()
        with torch.enable_grad():
            loss = self._loss(handle, call, 0, training)
            if loss is not None:
                loss.backward()  # type: ignore[no-untyped-call]
        return {
            path: None if tensor.grad is None else tensors.bits(tensor.grad)
            for path, _, _, tensor in tensors.registered(handle, "_parameters")
            if tensor is not None and tensor.requires_grad
        }

    def literals(self, handle: nn.Module, call: Call) -> list[Baked]:
        placed = self._place(handle.eval(), call)
        with torch.no_grad(), _quiet():
            program = torch.export.export(handle, placed.args, dict(placed.kwargs))
        constants = ((name, program.constants[name]) for name in program.graph_signature.lifted_tensor_constants)
        return [
            Baked(
                nbytes=constant.nbytes,
                form=f"{tensors.dtype_name(constant)}{list(constant.shape)}",
                name=name,
                identity=tensors.memory(constant),
                value=tensors.bits(constant),
            )
            for name, constant in constants
            if isinstance(constant, Tensor)
        ]

    def graph_size(self, handle: nn.Module) -> int:
        held = [holding.value for holding in self.holdings(handle) if isinstance(holding.value, Tensor)]
        return tensors.operations([*held, *(t for t in _tensors(handle) if t is not None)])

    # -- storing -----------------------------------------------------------------------------------------------

    def save(self, handle: nn.Module) -> dict[str, Any]:
        return {
            name: value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
            for name, value in handle.state_dict().items()
        }

    def load(self, handle: nn.Module, saved: dict[str, Any]) -> nn.Module:
        handle.load_state_dict(dict(saved))
        return handle

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy", "pickle")

    def copy(self, handle: nn.Module, how: str) -> nn.Module:
        if how == "deepcopy":
            return copy.deepcopy(handle)
        copied: nn.Module = pickle.loads(pickle.dumps(handle))
        return copied

    # -- placing -----------------------------------------------------------------------------------------------

    def devices(self) -> tuple[str, ...]:
        return ("cuda:0", "meta") if torch.cuda.is_available() else ("meta",)

    def remembers(self, device: str) -> bool:
        return device != "meta"

    def move(self, handle: nn.Module, device: str) -> nn.Module:
        return handle.to(device)

    def moved(self, item: Tensor, device: str) -> Tensor:
        there = item.detach().to(device)
        return nn.Parameter(there, item.requires_grad) if isinstance(item, nn.Parameter) else there

    def cast(self, handle: nn.Module, dtype: str) -> nn.Module:
        with _quiet():  # of complex entries: what becomes of them is looked at
            return handle.to(BY_NAME[dtype])

    def freeze(self, handle: nn.Module, frozen: bool) -> nn.Module:
        return handle.requires_grad_(not frozen)

    def replicas(self, calls: Sequence[Call], steps: int) -> list[Replica]:
        return replicas.replicas(self.factory, calls, steps)

    def born_frozen(self, handle: nn.Module) -> frozenset[str]:
        record = self._made.get(handle)
        born = {id(parameter) for parameter in record.born_frozen} if record else set()
        return frozenset(path for path, _, _, t in tensors.registered(handle, "_parameters") if id(t) in born)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what a trace that fails warns, logs and prints: that it fails is said elsewhere."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    nowhere = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _tensors(module: nn.Module) -> Iterator[Tensor | None]:
    for kind in ("_parameters", "_buffers"):
        for _, _, _, tensor in tensors.registered(module, kind):
            yield tensor


def _float_type(module: nn.Module) -> torch.dtype | None:
    return next((t.dtype for t in _tensors(module) if t is not None and t.is_floating_point()), None)


__all__ = ["Torch"]
