"""Every layer that is known, each family in a module of its own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from porting.models.torch.cells import Recurrent as Recurrent
from porting.models.torch.cells import Unbiased as Unbiased


class Dense(nn.Module):
    """Tokens ``[batch, 6]`` to logits, by way of dense layers and normalisations."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.linear = nn.Linear(8, 8)
        self.plain = nn.Linear(8, 8, bias=False)
        self.layer_norm = nn.LayerNorm(8, eps=1e-3)
        self.layer_norm_plain = nn.LayerNorm(8, eps=1e-3, bias=False)
        self.rms_norm = nn.RMSNorm(8, eps=1e-3)
        self.group_norm = nn.GroupNorm(2, 8, eps=1e-3)
        self.batch_norm = nn.BatchNorm1d(8, eps=1e-3, momentum=0.05)
        self.sync_norm = nn.SyncBatchNorm(8, eps=1e-3, momentum=0.1)
        self.prelu = nn.PReLU()
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        x = self.layer_norm(self.linear(self.embedding(tokens)))
        y = self.rms_norm(self.layer_norm_plain(self.plain(x)))
        z = self.batch_norm(self.group_norm(y.transpose(1, 2)))
        z = self.sync_norm(torch.tanh(z)).transpose(1, 2)
        return x, y, self.head(self.prelu(z))


class Convolutions(nn.Module):
    """A signal ``[batch, 4, 12]``, an image ``[batch, 4, 8, 8]`` and a volume ``[batch, 4, 5, 5, 5]``."""

    def __init__(self) -> None:
        super().__init__()
        self.signal = nn.Conv1d(4, 6, kernel_size=3)
        self.signal_strided = nn.Conv1d(6, 6, kernel_size=3, stride=2, padding=1, bias=False)
        self.signal_up = nn.ConvTranspose1d(6, 4, kernel_size=3, stride=2)
        self.signal_separable = nn.Sequential(
            nn.Conv1d(4, 8, kernel_size=3, groups=4, bias=False), nn.Conv1d(8, 5, kernel_size=1)
        )
        self.mono = nn.Conv1d(1, 2, kernel_size=3)
        self.same = nn.Conv2d(4, 4, kernel_size=3, padding=1)
        self.strided = nn.Conv2d(4, 4, kernel_size=3, stride=2)
        self.grouped = nn.Conv2d(4, 6, kernel_size=3, padding=1, groups=2)
        self.dilated = nn.Conv2d(6, 4, kernel_size=3, dilation=2, bias=False)
        self.depthwise = nn.Conv2d(4, 4, kernel_size=3, padding=1, groups=4)
        self.depthwise_twice = nn.Conv2d(4, 8, kernel_size=3, padding=1, groups=4)
        self.separable = nn.Sequential(
            nn.Conv2d(8, 16, kernel_size=3, padding=1, groups=8, bias=False), nn.Conv2d(16, 4, kernel_size=1)
        )
        self.up = nn.ConvTranspose2d(4, 6, kernel_size=2, stride=2)
        self.up_valid = nn.ConvTranspose2d(4, 4, kernel_size=3, stride=2)
        self.up_same = nn.ConvTranspose2d(6, 4, kernel_size=3, stride=2, bias=False)
        self.volume = nn.Conv3d(4, 4, kernel_size=3)
        self.volume_up = nn.ConvTranspose3d(4, 4, kernel_size=2, stride=2)

    def forward(self, signal: Tensor, image: Tensor, volume: Tensor) -> tuple[Tensor, ...]:
        line = self.signal_up(torch.tanh(self.signal_strided(self.signal(signal))))
        line = self.mono(self.signal_separable(line).mean(1, keepdim=True))
        x = self.strided(F.pad(self.same(image), (0, 1, 0, 1)))
        y = self.separable(self.depthwise_twice(self.depthwise(image)))
        z = self.dilated(self.grouped(image))
        up = self.up_same(self.up(self.up_valid(x) + y.mean()))[:, :, :-1, :-1]
        return line, x, y, z, up, self.volume_up(self.volume(volume))


class Attention(nn.Module):
    """Queries ``[batch, 5, 8]`` and what they look at, ``[batch, 7, 6]``."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.cross_attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True)
        self.unbiased_attention = nn.MultiheadAttention(8, 4, bias=False, batch_first=True)

    def forward(self, queries: Tensor, memory: Tensor) -> dict[str, Tensor]:
        x, _ = self.self_attention(queries, queries, queries, need_weights=False)
        y, _ = self.cross_attention(x, memory, memory, need_weights=False)
        z, _ = self.unbiased_attention(value=y, key=y, query=x, need_weights=False)
        return {"x": x, "y": y, "z": z}


class WithoutNNX(nn.Module):
    """What NNX has not, of series ``[batch, 5, 6]``."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm((5, 6), eps=1e-3)
        self.gru = nn.GRU(6, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=14, batch_first=True)
        self.cell = nn.GRUCell(8, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.norm(x)
        states = self.gru(x)[0]
        y, _ = self.attention(states, x, torch.cat([x, states], dim=-1), need_weights=False)
        return y, self.cell(y[:, 0], states[:, -1])


def dense() -> nn.Module:
    return Dense()


def convolutions() -> nn.Module:
    return Convolutions()


def recurrent() -> nn.Module:
    return Recurrent()


def attention() -> nn.Module:
    return Attention()


def without_nnx() -> nn.Module:
    return WithoutNNX()


def without_flax() -> nn.Module:
    return Unbiased()
