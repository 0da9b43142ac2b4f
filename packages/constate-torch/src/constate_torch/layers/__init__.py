"""The layers of ``torch.nn``: where each keeps its arrays, and which of them a pass calls."""

from constate_torch.layers.layering import TorchLayering as TorchLayering

__all__ = ["TorchLayering"]
