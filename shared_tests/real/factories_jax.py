"""Public Equinox modules, small, with random weights: pytrees that are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Call = tuple[tuple[Any, ...], dict[str, Any]]


def _key(seed: int = 0) -> jax.Array:
    return jax.random.PRNGKey(seed)


def equinox_rotary() -> Callable[..., Any]:
    import equinox as eqx

    return eqx.nn.RotaryPositionalEmbedding(32)


def equinox_attention() -> Callable[..., Any]:
    import equinox as eqx

    return eqx.nn.MultiheadAttention(2, 16, key=_key())


def equinox_mlp() -> Callable[..., Any]:
    import equinox as eqx

    return eqx.nn.MLP(8, 4, 16, 2, key=_key())


def equinox_gru() -> Callable[..., Any]:
    import equinox as eqx

    return eqx.nn.GRUCell(8, 16, key=_key())


def _spectral_norm() -> tuple[Any, Any]:
    import equinox as eqx

    return eqx.nn.make_with_state(eqx.nn.SpectralNorm)(eqx.nn.Linear(8, 8, key=_key()), "weight", key=_key(1))


def equinox_spectral_norm() -> Callable[..., Any]:
    return _spectral_norm()[0]


def equinox_spectral_norm_inputs() -> Call:
    """An input, and the state that a call uses up: the next call wants a fresh one or the returned one."""
    return (jnp.linspace(-1.0, 1.0, 8), _spectral_norm()[1]), {}


def flowjax_uniform() -> Callable[..., Any]:
    """The bound method is a pytree of the distribution's arrays."""
    from flowjax.distributions import Uniform

    return Uniform(-jnp.ones(4), 3 * jnp.ones(4)).log_prob


def flowjax_uniform_inputs() -> Call:
    return (jnp.linspace(-0.9, 0.9, 32).reshape(8, 4),), {}


def flowjax_autoregressive() -> Callable[..., Any]:
    from flowjax.distributions import Normal
    from flowjax.flows import masked_autoregressive_flow

    flow = masked_autoregressive_flow(_key(), base_dist=Normal(jnp.zeros(4)), flow_layers=2, nn_width=8)
    return flow.log_prob


def equimo_rope() -> Callable[..., Any]:
    from equimo.layers.posemb import RoPE

    return RoPE((4, 4, 16))


def equimo_vit() -> Callable[..., Any]:
    from equimo.models import VisionTransformer

    return VisionTransformer(
        img_size=16, in_channels=3, dim=16, patch_size=8, num_heads=[2], depths=[1], num_classes=4, key=_key()
    )


def equimo_vit_inputs() -> Call:
    return (jax.random.normal(_key(), (3, 16, 16)),), {"key": _key(), "inference": True}


def esm2quinox() -> Callable[..., Any]:
    from esm2quinox import ESM2

    return ESM2(num_layers=1, embed_size=32, num_heads=2, token_dropout=False, key=_key())


def megalodon() -> Callable[..., Any]:
    from megalodon_jax import MegalodonConfig, MegalodonForCausalLM

    config = MegalodonConfig(
        vocab_size=64,
        model_dim=32,
        num_layers=1,
        num_heads=2,
        z_dim=16,
        value_dim=32,
        ffn_hidden_dim=48,
        chunk_size=16,
        cema_ndim=4,
        norm_num_groups=4,
    )
    return MegalodonForCausalLM(config, key=_key())
