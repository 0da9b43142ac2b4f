"""Public PyTorch modules, small, with random weights and no files from outside.

Each factory imports its own package, so that one that is not installed costs one module. ``*_inputs`` functions give
the positional and keyword arguments of one call where the one-line form of ``expected.toml`` cannot.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

Call = tuple[tuple[Any, ...], dict[str, Any]]


def normal(*shape: int) -> torch.Tensor:
    """The same normal numbers at every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def integers(high: int, *shape: int) -> torch.Tensor:
    """The same integers below ``high`` at every call."""
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(0))


# transformers


def _llama_config() -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=100,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        use_cache=False,
    )


def llama_rotary() -> nn.Module:
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    return LlamaRotaryEmbedding(_llama_config())


def llama_rotary_inputs() -> Call:
    return (normal(1, 512, 32), torch.arange(512)[None]), {}


def llama() -> nn.Module:
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM(_llama_config())


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=100,
            n_embd=32,
            n_layer=2,
            n_head=2,
            n_positions=64,
            use_cache=False,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def whisper() -> nn.Module:
    from transformers import WhisperConfig, WhisperModel

    config = WhisperConfig(
        vocab_size=100,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=50,
        max_target_positions=32,
        num_mel_bins=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        use_cache=False,
    )
    return WhisperModel(config)


def whisper_inputs() -> Call:
    return (), {"input_features": normal(1, 8, 100), "decoder_input_ids": integers(100, 1, 8)}


def fnet() -> nn.Module:
    from transformers import FNetConfig, FNetModel

    config = FNetConfig(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=1,
        intermediate_size=48,
        max_position_embeddings=64,
        use_tpu_fourier_optimizations=True,
        tpu_short_seq_length=16,
        pad_token_id=0,
    )
    return FNetModel(config)


def swin() -> nn.Module:
    from transformers import SwinConfig, SwinModel

    return SwinModel(
        SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4)
    )


def wav2vec2() -> nn.Module:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        conv_dim=(16, 16),
        conv_kernel=(10, 3),
        conv_stride=(5, 2),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        mask_time_prob=0.0,
    )
    return Wav2Vec2Model(config)


# positions


def rotary_embedding_torch() -> nn.Module:
    from rotary_embedding_torch import RotaryEmbedding

    return RotaryEmbedding(dim=32, cache_max_seq_len=512)


def rotary_embedding_torch_xpos() -> nn.Module:
    from rotary_embedding_torch import RotaryEmbedding

    return RotaryEmbedding(dim=32, use_xpos=True, cache_max_seq_len=512)


def rotary_embedding_torch_inputs() -> Call:
    """Positions, and the length that switches the cache on."""
    return (torch.arange(256.0),), {"seq_len": 256}


def local_attention_sinusoidal() -> nn.Module:
    from local_attention.rotary import SinusoidalEmbeddings

    return SinusoidalEmbeddings(32, use_xpos=True, scale_base=128)


def x_transformers_sinusoidal() -> nn.Module:
    from x_transformers.x_transformers import ScaledSinusoidalEmbedding

    return ScaledSinusoidalEmbedding(32)


def positional_encoding_1d() -> nn.Module:
    from positional_encodings.torch_encodings import PositionalEncoding1D

    return PositionalEncoding1D(32)


def esm_rotary() -> nn.Module:
    from esm.rotary_embedding import RotaryEmbedding

    return RotaryEmbedding(32)


def qwen_image_rope() -> nn.Module:
    from diffusers.models.transformers.transformer_qwenimage import QwenEmbedRope

    return QwenEmbedRope(theta=10000, axes_dim=[4, 6, 6], scale_rope=True)


def qwen_image_rope_inputs() -> Call:
    """The frames, height and width of one video, and the length of its text."""
    return ([[(1, 4, 4)]],), {"max_txt_seq_len": 8, "device": torch.device("cpu")}


# quantizers


def vector_quantize() -> nn.Module:
    from vector_quantize_pytorch import VectorQuantize

    return VectorQuantize(dim=16, codebook_size=32, affine_param=True)


def lookup_free_quantizer() -> nn.Module:
    from vector_quantize_pytorch import LFQ

    return LFQ(codebook_size=64, dim=16)


def finite_scalar_quantizer() -> nn.Module:
    from vector_quantize_pytorch import FSQ

    return FSQ(levels=[8, 5, 5], dim=16)


# flows, graphs, equivariance


def freia_all_in_one() -> nn.Module:
    from FrEIA.modules import AllInOneBlock

    return AllInOneBlock([(8,)], subnet_constructor=nn.Linear)


def freia_all_in_one_inputs() -> Call:
    return ((normal(4, 8),),), {}


def nflows_permutation() -> nn.Module:
    from nflows.transforms import RandomPermutation

    return RandomPermutation(8)


def gcn_cached() -> nn.Module:
    from torch_geometric.nn import GCNConv

    return GCNConv(8, 4, cached=True)


def tgn_memory() -> nn.Module:
    from torch_geometric.nn.models.tgn import IdentityMessage, LastAggregator, TGNMemory

    return TGNMemory(6, 4, 8, 4, IdentityMessage(4, 8, 4), LastAggregator())


def tgn_memory_inputs() -> Call:
    return (torch.tensor([0, 2, 5]),), {}


def e3nn_tensor_product() -> nn.Module:
    from e3nn.o3 import FullyConnectedTensorProduct

    return FullyConnectedTensorProduct("2x0e+1x1o", "1x0e+1x1o", "2x0e+1x1o")


# the rest


def snntorch_leaky() -> nn.Module:
    from snntorch import Leaky

    return Leaky(beta=0.9, init_hidden=True, learn_beta=True)


def cross_batch_memory() -> nn.Module:
    from pytorch_metric_learning.losses import ContrastiveLoss, CrossBatchMemory

    return CrossBatchMemory(ContrastiveLoss(), 16, memory_size=64)


def scattering_1d() -> nn.Module:
    from kymatio.torch import Scattering1D

    return Scattering1D(J=3, shape=256, Q=4)


def exponential_moving_average() -> nn.Module:
    from ema_pytorch import EMA

    return EMA(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)), update_every=1)


def mean_squared_error() -> nn.Module:
    from torchmetrics import MeanSquaredError

    return MeanSquaredError()


def monai_gaussian_filter() -> nn.Module:
    from monai.networks.layers import GaussianFilter

    return GaussianFilter(2, 1.5)


def kornia_normalize() -> nn.Module:
    from kornia.enhance import Normalize

    return Normalize(mean=torch.tensor([0.4, 0.5, 0.6]), std=torch.tensor([0.2, 0.3, 0.4]))
