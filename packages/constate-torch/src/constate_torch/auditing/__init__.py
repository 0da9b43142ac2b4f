"""What an audit does with any ``torch.nn.Module``."""

from constate_torch.auditing.instruments import Torch

__all__ = ["Torch"]
