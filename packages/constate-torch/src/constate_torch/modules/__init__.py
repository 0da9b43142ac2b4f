"""The catalogue's modules as one writes them in PyTorch; each file stands on its own and may be copied out."""
