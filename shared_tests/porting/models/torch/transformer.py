"""A small encoder and decoder for translation (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762), normalised first
(Xiong et al. 2020, https://arxiv.org/abs/2002.04745)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class PositionalEncoding(nn.Module):
    """Adds a fixed sinusoid."""

    pe: Tensor

    def __init__(self, d_model: int, dropout: float, max_len: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        position = torch.arange(max_len).unsqueeze(1)
        frequency = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.sin(position * frequency)
        pe[:, 1::2] = torch.cos(position * frequency)
        self.register_buffer("pe", pe)

    def forward(self, x: Tensor) -> Tensor:
        moved: Tensor = self.dropout(x + self.pe[: x.size(1)])
        return moved


class Seq2SeqTransformer(nn.Module):
    """Logits ``[batch, target length, vocabulary]`` of the next token, from token numbers of a source and a target."""

    def __init__(
        self,
        vocab: int = 50,
        d_model: int = 32,
        nhead: int = 4,
        layers: int = 2,
        max_len: int = 16,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.src_tok_emb = nn.Embedding(vocab, d_model)
        self.tgt_tok_emb = nn.Embedding(vocab, d_model)
        self.positional_encoding = PositionalEncoding(d_model, dropout, max_len)
        self.tgt_pos_emb = nn.Embedding(max_len, d_model)
        self.dropout = nn.Dropout(dropout)
        encoder_layer = nn.TransformerEncoderLayer(
            d_model, nhead, 4 * d_model, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            encoder_layer, layers, norm=nn.LayerNorm(d_model), enable_nested_tensor=False
        )
        decoder_layer = nn.TransformerDecoderLayer(
            d_model, nhead, 4 * d_model, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.decoder = nn.TransformerDecoder(decoder_layer, layers, norm=nn.LayerNorm(d_model))
        self.generator = nn.Linear(d_model, vocab)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        memory = self.encoder(self.positional_encoding(self.src_tok_emb(src) * math.sqrt(self.d_model)))
        positions = torch.arange(tgt.size(1), device=tgt.device)
        x = self.dropout(self.tgt_tok_emb(tgt) * math.sqrt(self.d_model) + self.tgt_pos_emb(positions))
        mask = nn.Transformer.generate_square_subsequent_mask(tgt.size(1), device=tgt.device)
        logits: Tensor = self.generator(self.decoder(x, memory, tgt_mask=mask, tgt_is_causal=True))
        return logits


def build() -> nn.Module:
    return Seq2SeqTransformer()
