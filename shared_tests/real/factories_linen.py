"""Public Flax linen modules: definitions, whose variables come from ``init``."""

from __future__ import annotations

from typing import Any

import jax
from flax import linen as nn

Call = tuple[tuple[Any, ...], dict[str, Any]]


def _normal(*shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(0), shape)


def batch_norm() -> nn.Module:
    return nn.BatchNorm(use_running_average=False)


def spectral_norm() -> nn.Module:
    return nn.SpectralNorm(nn.Dense(4))


def spectral_norm_inputs() -> Call:
    return (_normal(6, 8),), {"update_stats": True}


def attention_decode() -> nn.Module:
    return nn.MultiHeadDotProductAttention(num_heads=2, qkv_features=8, decode=True)


def recurrent() -> nn.Module:
    return nn.RNN(nn.LSTMCell(8))


def e3x_tensor() -> nn.Module:
    import e3x

    return e3x.nn.Tensor(max_degree=2)


def e3x_dense() -> nn.Module:
    import e3x

    return e3x.nn.Dense(4)


def stylegan2_synthesis_layer() -> nn.Module:
    from flaxmodels.stylegan2.generator import SynthesisLayer

    return SynthesisLayer(fmaps=4, kernel=3, layer_idx=0, res=3)


def stylegan2_synthesis_layer_inputs() -> Call:
    """Features, latents, and the word that makes the layer use its constant noise."""
    return (_normal(2, 8, 8, 4), _normal(2, 4, 8)), {"noise_mode": "const"}


def stylegan2_mapping() -> nn.Module:
    from flaxmodels.stylegan2.generator import MappingNetwork

    return MappingNetwork(z_dim=8, w_dim=8, layer_features=8, num_ws=4, num_layers=2)
