"""The layers of a PyTorch module, and what a pass calls."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature
from pathlib import Path
from typing import Any
from unittest import mock

import torch.nn.functional as F
from torch import Tensor, nn

from constate.porting.layer import Layer
from constate.porting.layering import Called, Layering, Moments, moments
from constate_torch import verbs
from constate_torch.auditing import tensors
from constate_torch.layers.flattening import Flattening
from constate_torch.layers.known import layers_of

DROPPING = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
"""The functions of ``torch.nn.functional`` that draw."""


class TorchLayering(Layering):
    """``torch.nn``."""

    channels_last = False
    formats = ("torch",)
    separator = "."

    def layers(self, handle: nn.Module) -> list[Layer]:
        return [layer for _, own in self._known(handle) for layer in own]

    def _known(self, handle: nn.Module) -> Iterator[tuple[nn.Module, list[Layer]]]:
        """The modules that are layers, each once; what is in a layer is a part of it."""
        entries = self.instruments.entries(handle)
        seen: set[int] = set()
        within: tuple[str, ...] = ()
        for path, module in tensors.modules(handle):
            if id(module) in seen or (within and path.startswith(within)):
                continue
            own = [layer for layer in layers_of(path, module) if all(p.entry in entries for p in layer.pieces())]
            if own:
                seen.add(id(module))
                within = (*within, f"{path}/")
                yield module, own

    @contextmanager
    def recorded(self, handle: nn.Module) -> Iterator[list[Called]]:
        found: list[Called] = []
        flattening = Flattening()
        with ExitStack() as stack:
            stack.enter_context(flattening)
            for module, own in self._known(handle):

                def note(module: nn.Module, args: Any, kwargs: Any, output: Any, own: list[Layer] = own) -> None:
                    # An attention may be called with its arguments by name and in any order.
                    named = signature(module.forward).bind(*args, **kwargs).arguments
                    taken = [tensor for _, tensor in tensors.flat(list(named.values()))]
                    given = [tensor for _, tensor in tensors.flat(output)]
                    found.extend(_calls(module, own, taken, given, flattening))

                stack.callback(module.register_forward_hook(note, with_kwargs=True).remove)
            yield found

    @contextmanager
    def undisturbed(self, handle: nn.Module) -> Iterator[nn.Module]:
        with ExitStack() as stack:
            for name in DROPPING:
                stack.enter_context(mock.patch.object(F, name, _same))
            attend: Callable[..., Tensor] = F.scaled_dot_product_attention

            def attended(*args: Any, **kwargs: Any) -> Tensor:
                return attend(
                    *args[:4],
                    **{**dict(zip(("dropout_p", "is_causal"), args[4:], strict=False)), **kwargs, "dropout_p": 0.0},
                )

            stack.enter_context(mock.patch.object(F, "scaled_dot_product_attention", attended))
            for module in handle.modules():
                if isinstance(module, (nn.MultiheadAttention, nn.RNNBase)):
                    stack.enter_context(mock.patch.object(module, "dropout", 0.0))
            yield handle

    @contextmanager
    def wide(self, handle: nn.Module) -> Iterator[nn.Module]:
        yield copy.deepcopy(handle).double()

    def save_own(self, handle: nn.Module, path: Path) -> None:
        verbs.save(handle, path)


def _same(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return input


def _calls(
    module: nn.Module, own: list[Layer], taken: list[Tensor], given: list[Tensor], flattening: Flattening
) -> Iterator[Called]:
    """What is seen of each layer in a call of the module that holds them."""
    first, last = _moments(taken[:1]), _moments(given[:1])
    if isinstance(module, nn.MultiheadAttention):
        for layer, tensor in zip(own[:3], taken, strict=False):
            yield Called(layer.path, tuple(tensor.shape), _moments([tensor]), None)
        yield Called(own[3].path, (), None, last)
    elif isinstance(module, nn.RNNBase):
        directions = 2 if module.bidirectional else 1
        for number, layer in enumerate(own):
            stack, direction = divmod(number, directions)
            halves = given[0].chunk(directions, -1) if given else ()
            at_end = stack == module.num_layers - 1 and halves
            shape = tuple(taken[0].shape) if stack == 0 else ()
            yield Called(layer.path, shape, None if stack else first, _moments([halves[direction]]) if at_end else None)
    else:
        for layer in own:
            if layer.kind == "conv":
                flattening.channels.add(given[0].shape[1])
            yield Called(layer.path, tuple(taken[0].shape) if taken else (), first, last, flattening.seen(taken))


def _moments(found: list[Tensor]) -> Moments | None:
    return moments(tensors.bits(found[0])) if found else None
