"""PyTorch as it is: its own verbs, called as its documentation calls them."""

from __future__ import annotations

import copy
import functools
import io
import pickle
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace as with_fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn.parallel import DistributedDataParallel

from constate.backend import Backend, Compiled, Gradients, Optimizer, Scope, Spec, Spread, Trained, shares
from constate.reach import arrays_within
from constate.state import Array, Kind, Seen
from constate_torch.arrays import BY_NAME, NAMES, from_numpy, to_numpy
from constate_torch.spreading import local, on_each
from constate_torch.state import alive, entries, owner

OPTIMIZERS: dict[Optimizer, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1),
}


class CompiledModule:
    """``torch.compile`` of a module, with a count of the graphs that it compiled."""

    def __init__(self, module: nn.Module, run: Callable[..., tuple[Array, nn.Module]]) -> None:
        torch._dynamo.reset()
        self._counter = CompileCounterWithBackend(compiler())
        self._program = torch.compile(module, backend=self._counter)
        self._run = run

    def __call__(self, handle: nn.Module, *inputs: Array, training: bool = False) -> tuple[Array, nn.Module]:
        return self._run(handle, *inputs, training=training, program=self._program)

    @property
    def traces(self) -> int:
        return int(self._counter.frame_count)


def compiler() -> str:
    """``inductor`` where a C++ compiler is found, else ``aot_eager``."""
    return "inductor" if any(map(shutil.which, ("c++", "g++", "clang++"))) else "aot_eager"


class Native(Backend):
    """PyTorch's own verbs."""

    name = "torch"
    flavour = "native"
    package = "constate_torch"
    separator = "."
    requires = ("torch", "safetensors")

    def versions(self) -> dict[str, str]:
        return {**super().versions(), "torch.compile": compiler()}

    def factory(self, module: str, config: Mapping[str, Any], seed: int) -> Callable[[], nn.Module]:
        cls: Callable[..., nn.Module] = self.module_class(module)
        return functools.partial(cls, **config)

    def build(self, spec: Spec, *, device: str | None = None) -> nn.Module:
        torch.manual_seed(spec.seed)
        with torch.device(device) if device else nullcontext():
            module: nn.Module = spec.factory()
        return module

    def abstract(self, spec: Spec) -> nn.Module:
        return self.build(spec, device="meta")

    def materialise(self, handle: nn.Module, spec: Spec) -> nn.Module:
        return handle.to_empty(device="cpu")

    def shared(self, spec: Spec, names: Mapping[str, str]) -> Spec:
        def make() -> nn.Module:
            module: nn.Module = spec.factory()
            for path, name in names.items():
                holder, own = owner(module, path)
                if own in holder._parameters:
                    setattr(module, name, holder._parameters[own])
                else:
                    saved = own not in holder._non_persistent_buffers_set
                    module.register_buffer(name, holder._buffers[own], persistent=saved)
            return module

        return with_fields(spec, factory=make)

    def entries(self, handle: nn.Module) -> dict[str, Seen]:
        saved = {name.replace(".", "/") for name in handle.state_dict()}
        optimized = {id(parameter) for parameter in handle.parameters() if parameter.requires_grad}
        return {
            path: Seen(
                path=path,
                shape=tuple(tensor.shape),
                dtype=NAMES[tensor.dtype],
                device=str(tensor.device),
                trainable=id(tensor) in optimized,
                persistent=path in saved,
                identity=tensor.untyped_storage()._cdata,
            )
            for path, tensor in entries(handle).items()
        }

    def listing(self, handle: nn.Module) -> list[str]:
        return list(handle.state_dict())

    def read(self, handle: nn.Module, path: str) -> Array:
        return to_numpy(entries(handle)[path])

    @torch.no_grad()
    def write(self, handle: nn.Module, path: str, value: Array) -> nn.Module:
        entries(handle)[path].copy_(from_numpy(value))
        return handle

    def strays(self, handle: nn.Module) -> dict[str, str]:
        registered = {id(tensor) for tensor in entries(handle).values()}
        return {
            path: str(tensor.device)
            for path, tensor in arrays_within(handle, lambda item: isinstance(item, Tensor))
            if id(tensor) not in registered
        }

    def _inputs(self, handle: nn.Module, inputs: Sequence[Array]) -> list[Tensor]:
        device = next((tensor.device for tensor in entries(handle).values()), torch.device("cpu"))
        return [from_numpy(array).to(device) for array in inputs]

    @torch.no_grad()
    def forward(
        self, handle: nn.Module, *inputs: Array, training: bool = False, program: Any = None
    ) -> tuple[Array, nn.Module]:
        handle.train(training)
        outputs = (handle if program is None else program)(*self._inputs(handle, inputs))
        return to_numpy(torch.zeros_like(outputs, device="cpu") if outputs.is_meta else outputs), handle

    def gradients(
        self, handle: nn.Module, inputs: tuple[Array, ...], cotangents: Array, *, training: bool = False
    ) -> Gradients:
        handle.train(training)
        arguments = self._inputs(handle, inputs)
        floats = [argument.requires_grad_() for argument in arguments if argument.is_floating_point()]
        reached = {path: tensor for path, tensor in entries(handle).items() if tensor.requires_grad}
        found = torch.autograd.grad(
            handle(*arguments), [*floats, *reached.values()], from_numpy(cotangents), allow_unused=True
        )
        by_argument = dict(zip(map(id, floats), found[: len(floats)], strict=True))
        by_path = dict(zip(reached, found[len(floats) :], strict=True))
        return Gradients(
            {path: to_numpy(gradient) for path, gradient in by_path.items() if gradient is not None},
            tuple(to_numpy(by_argument[id(a)]) if id(a) in by_argument else None for a in arguments),
        )

    def optimizer(self, handle: nn.Module, name: Optimizer, scope: Scope) -> torch.optim.Optimizer:
        """``careless`` is ``module.parameters()``, which is what every tutorial hands over."""
        every = list(handle.parameters())
        return OPTIMIZERS[name](every if scope == "careless" else [p for p in every if p.requires_grad])

    def train(
        self, handle: nn.Module, batches: Sequence[tuple[Array, ...]], optimizer: Optimizer, scope: Scope
    ) -> Trained:
        stepper = self.optimizer(handle, optimizer, scope)
        handle.train()
        for batch in batches:
            loss = handle(*self._inputs(handle, batch)).square().mean()
            for parameter in handle.parameters():
                if parameter.requires_grad:
                    loss = loss + parameter.square().mean()
            stepper.zero_grad()
            loss.backward()
            stepper.step()
            handle.zero_grad()
        slots = {id(tensor) for tensor in stepper.state}
        return Trained(handle, frozenset(path for path, tensor in entries(handle).items() if id(tensor) in slots))

    @property
    def engine(self) -> Callable[[nn.Module], nn.Module]:
        """Makes of a module the replica of this process; it can be pickled."""
        return DistributedDataParallel

    def spread(
        self, spec: Spec, state: Mapping[str, Array], batches: Sequence[tuple[Array, ...]], optimizer: Optimizer
    ) -> Spread:
        work = functools.partial(_replica, self.engine, spec, dict(state), list(batches), optimizer)
        born, trained = zip(*on_each(work), strict=True)
        return Spread(born, trained)

    def alive(self, handle: nn.Module) -> dict[str, int]:
        numbers = sum(1 for _ in arrays_within(handle, lambda item: isinstance(item, float | np.generic | np.ndarray)))
        return {**alive(), "numbers": numbers}

    def compile(self, handle: nn.Module) -> Compiled:
        return CompiledModule(handle, self.forward)

    def literals(self, handle: nn.Module, inputs: tuple[Array, ...]) -> list[int]:
        program = torch.export.export(handle.eval(), tuple(self._inputs(handle, inputs)))
        return [
            constant.nbytes
            for name in program.graph_signature.lifted_tensor_constants
            if isinstance(constant := program.constants[name], Tensor)
        ]

    def formats(self) -> dict[str, str]:
        return {"torch.save": ".pt", "safetensors": ".safetensors"}

    @property
    def exchange_format(self) -> str | None:
        return "safetensors"

    def save(self, handle: nn.Module, path: Path, format: str) -> None:
        if format == "torch.save":
            torch.save(handle.state_dict(), path)
        else:
            safetensors.torch.save_model(handle, str(path))

    def load(self, handle: nn.Module, path: Path, format: str, spec: Spec | None = None) -> nn.Module:
        if format == "torch.save":
            handle.load_state_dict(torch.load(path, weights_only=True))
        else:
            safetensors.torch.load_model(handle, path)
        return handle

    def stored(self, path: Path, format: str) -> list[Array]:
        read = safetensors.torch.load_file(path) if format == "safetensors" else torch.load(path, weights_only=True)
        return [to_numpy(tensor) for tensor in read.values()]

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy", "pickle", "torch.save")

    def copy(self, handle: nn.Module, how: str) -> nn.Module:
        if how == "deepcopy":
            return copy.deepcopy(handle)
        if how == "pickle":
            copied: nn.Module = pickle.loads(pickle.dumps(handle))
            return copied
        buffer = io.BytesIO()
        torch.save(handle, buffer)
        buffer.seek(0)
        copied = torch.load(buffer, weights_only=False)
        return copied

    def devices(self) -> tuple[str, ...]:
        return ("meta", "cuda:0") if torch.cuda.is_available() else ("meta",)

    def move(self, handle: nn.Module, device: str, spec: Spec) -> nn.Module:
        return handle.to(device)

    def cast(self, handle: nn.Module, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> nn.Module:
        return handle.to(BY_NAME[dtype])

    def register(
        self, handle: nn.Module, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> nn.Module:
        if kind is Kind.PARAMETER:
            handle.register_parameter(name, nn.Parameter(from_numpy(value)))
        else:
            handle.register_buffer(name, from_numpy(value), persistent=kind is not Kind.DERIVED)
        return handle

    def register_none(self, handle: nn.Module, name: str) -> nn.Module:
        handle.register_buffer(name, None)
        return handle

    def taken(self, handle: nn.Module) -> dict[str, str]:
        names = {
            "attribute": [n for n in vars(handle) if not n.startswith("_") and n != "training"],
            "parameter": [n for n, _ in handle.named_parameters(recurse=False)],
            "submodule": [n for n, _ in handle.named_children()],
            "method": ["forward"],
        }
        return {what: found[0] for what, found in names.items() if found}

    def assign(self, handle: nn.Module, path: str, value: Any) -> nn.Module:
        module, name = owner(handle, path)
        setattr(module, name, from_numpy(value) if hasattr(value, "dtype") else value)
        return handle

    def freeze(self, handle: nn.Module, frozen: bool) -> nn.Module:
        return handle.requires_grad_(not frozen)


def _replica(
    engine: Callable[[nn.Module], nn.Module],
    spec: Spec,
    state: Mapping[str, Array],
    batches: Sequence[tuple[Array, ...]],
    optimizer: Optimizer,
    rank: int,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The state of one replica before and after the steps."""
    native = Native()
    module = native.begun(with_fields(spec, seed=spec.seed + rank), state)
    replica = engine(module)

    def found() -> dict[str, Array]:
        return {path: to_numpy(local(tensor)) for path, tensor in entries(module).items()}

    born = found()
    native.train(replica, [shares(batch)[rank] for batch in batches], optimizer, "trainable")
    return born, found()
