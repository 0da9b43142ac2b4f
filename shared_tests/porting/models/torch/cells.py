"""Recurrent layers, and single steps of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    """Series ``[batch, 5, 6]``."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 7, batch_first=True)
        self.rnn = nn.RNN(7, 6, batch_first=True)
        self.rectified = nn.RNN(6, 6, nonlinearity="relu", batch_first=True)
        self.first = nn.LSTMCell(6, 6)
        self.second = nn.LSTMCell(6, 6)
        self.last = nn.RNNCell(6, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.rnn(self.lstm(x)[0])[0]
        hidden, kept = self.first(x[:, 0])
        hidden, kept = self.second(x[:, 1] + hidden, (hidden, kept))
        return self.rectified(x)[0], kept, self.last(hidden)


class Unbiased(nn.Module):
    """What Flax has not: recurrent layers without biases, and a slope for each channel; of series ``[batch, 5, 6]``."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 7, bias=False, batch_first=True)
        self.prelu = nn.PReLU(7)
        self.gru = nn.GRU(7, 7, bias=False, batch_first=True)
        self.rnn = nn.RNN(7, 6, bias=False, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu(self.lstm(x)[0].transpose(1, 2)).transpose(1, 2)
        found: Tensor = self.rnn(torch.tanh(self.gru(x)[0]))[0]
        return found
