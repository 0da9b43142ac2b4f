"""Public Flax NNX modules, small, with random weights."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

Call = tuple[tuple[Any, ...], dict[str, Any]]


def _rngs() -> nnx.Rngs:
    return nnx.Rngs(0)


def batch_norm() -> nnx.Module:
    return nnx.BatchNorm(8, rngs=_rngs())


def spectral_norm() -> nnx.Module:
    return nnx.SpectralNorm(nnx.Linear(8, 4, rngs=_rngs()), rngs=_rngs())


def attention_decode() -> nnx.Module:
    attention = nnx.MultiHeadAttention(num_heads=2, in_features=8, qkv_features=8, decode=True, rngs=_rngs())
    attention.init_cache((2, 6, 8))
    return attention


def dropout() -> nnx.Module:
    return nnx.Sequential(nnx.Linear(8, 8, rngs=_rngs()), nnx.Dropout(0.5, rngs=_rngs()))


def mamba2() -> nnx.Module:
    from mamba2_jax import Mamba2Config
    from mamba2_jax.modeling import Mamba2ForCausalLM

    config = Mamba2Config(vocab_size=64, hidden_size=32, head_dim=16, num_hidden_layers=1, state_size=8, chunk_size=8)
    return Mamba2ForCausalLM(config, rngs=_rngs())


def _edges() -> jax.Array:
    return jnp.array([[0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 2]])


def jraphx_gcn_cached() -> nnx.Module:
    from jraphx.nn.conv import GCNConv

    layer = GCNConv(8, 4, cached=True, rngs=_rngs())
    layer.precompute_norm(_edges(), num_nodes=5)
    return layer


def jraphx_gcn_cached_inputs() -> Call:
    return (jax.random.normal(jax.random.key(0), (5, 8)), _edges()), {}


def artifex_sinusoidal() -> nnx.Module:
    from artifex.generative_models.core.layers.positional import SinusoidalPositionalEncoding

    return SinusoidalPositionalEncoding(16, 32, rngs=_rngs())


def bijx_kernel_gauss() -> nnx.Module:
    from bijx.nn.embeddings import KernelGauss

    return KernelGauss(8, adaptive_width=False, rngs=_rngs())


def nnx_ppo_normalizer() -> nnx.Module:
    from nnx_ppo.networks.normalizer import Normalizer

    return Normalizer(8)


def nnx_ppo_normalizer_inputs() -> Call:
    """The layer's own state, which is empty, and observations."""
    return ((), jax.random.normal(jax.random.key(0), (4, 8))), {}
