"""The checkpoints of PyTorch: files of ``torch.save`` and folders of ``torch.distributed.checkpoint``."""
