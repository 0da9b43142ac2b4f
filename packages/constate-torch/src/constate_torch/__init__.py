"""constate for PyTorch: verbs for any ``torch.nn.Module`` that do right what PyTorch's own get wrong."""

from constate_torch.verbs import assign, cast, load, materialise, register, save

__all__ = ["assign", "cast", "load", "materialise", "register", "save"]
