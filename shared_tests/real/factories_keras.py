"""Public Keras layers, small, with random weights, for the TensorFlow backend."""

from __future__ import annotations

import keras
import numpy as np


def batch_normalization() -> keras.layers.Layer:
    return keras.layers.BatchNormalization()


def normalization() -> keras.layers.Layer:
    """Adapted, as its documentation asks."""
    layer = keras.layers.Normalization()
    layer.adapt(np.linspace(-2.0, 7.0, 256, dtype="float32").reshape(32, 8))
    return layer


def spectral_normalization() -> keras.layers.Layer:
    return keras.layers.SpectralNormalization(keras.layers.Dense(4))


def lstm_stateful() -> keras.layers.Layer:
    return keras.layers.LSTM(4, stateful=True)


def mel_spectrogram() -> keras.layers.Layer:
    return keras.layers.MelSpectrogram(fft_length=256, sequence_stride=64, num_mel_bins=32, sampling_rate=8000)


def kapre_filterbank() -> keras.layers.Layer:
    import kapre

    bank = {"sample_rate": 8000, "n_freq": 129, "n_mels": 40, "f_min": 0.0, "f_max": 4000.0}
    return kapre.ApplyFilterbank(type="mel", filterbank_kwargs=bank)


def liquid_time_constant() -> keras.layers.Layer:
    from ncps import wirings
    from ncps.keras import LTC

    return LTC(wirings.AutoNCP(12, 2))


def hub_rotary() -> keras.layers.Layer:
    import keras_hub

    return keras_hub.layers.RotaryEmbedding()


def hub_sine() -> keras.layers.Layer:
    import keras_hub

    return keras_hub.layers.SinePositionEncoding()


def hub_transformer_encoder() -> keras.layers.Layer:
    import keras_hub

    return keras_hub.layers.TransformerEncoder(16, 2)


def coupling_flow() -> keras.layers.Layer:
    import bayesflow

    return bayesflow.networks.CouplingFlow(depth=2, subnet_kwargs={"widths": (8,)})


def temporal_convolution() -> keras.layers.Layer:
    from tcn import TCN

    return TCN(4, dilations=(1, 2))


def nbeats_seasonality() -> keras.layers.Layer:
    from keras_climate.forecasting.nbeats import SeasonalityBasis

    return SeasonalityBasis(4, 96, 24)
