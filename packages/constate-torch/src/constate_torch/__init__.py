"""constate for PyTorch: verbs for any ``torch.nn.Module`` that do right what PyTorch's own get wrong."""

from constate_torch.verbs import assign, cast, load, materialise, move, register, save, spread

__all__ = ["assign", "cast", "load", "materialise", "move", "register", "save", "spread"]
