"""A bidirectional recurrent tagger (Huang et al. 2015, https://arxiv.org/abs/1508.01991)."""

from __future__ import annotations

from torch import Tensor, nn


class Tagger(nn.Module):
    """Logits ``[batch, length, tags]`` of token numbers ``[batch, length]``."""

    def __init__(
        self,
        recurrent: type[nn.LSTM] | type[nn.GRU] = nn.LSTM,
        vocab_size: int = 50,
        embedding_dim: int = 16,
        hidden_size: int = 24,
        tags: int = 9,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.dropout = nn.Dropout(dropout)
        self.rnn = recurrent(
            embedding_dim, hidden_size, num_layers=2, bidirectional=True, batch_first=True, dropout=dropout
        )
        self.hidden2tag = nn.Linear(2 * hidden_size, tags)

    def forward(self, tokens: Tensor) -> Tensor:
        outputs, _ = self.rnn(self.dropout(self.embedding(tokens)))
        logits: Tensor = self.hidden2tag(outputs)
        return logits


def build() -> nn.Module:
    return Tagger()


def build_gru() -> nn.Module:
    return Tagger(nn.GRU)
