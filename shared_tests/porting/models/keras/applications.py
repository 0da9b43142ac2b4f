"""Two models that Keras brings with it: MobileNetV2 (Sandler et al. 2018, https://arxiv.org/abs/1801.04381) and
ResNet-50 (He et al. 2015, https://arxiv.org/abs/1512.03385)."""

from __future__ import annotations

import keras


def mobilenet_v2() -> keras.Model:
    return keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), alpha=0.35, weights=None, classes=10, classifier_activation=None
    )


def mobilenet_v2_full() -> keras.Model:
    return keras.applications.MobileNetV2(weights=None, classifier_activation=None)


def resnet50() -> keras.Model:
    return keras.applications.ResNet50(input_shape=(64, 64, 3), weights=None, classes=10, classifier_activation=None)


def resnet50_full() -> keras.Model:
    return keras.applications.ResNet50(weights=None, classifier_activation=None)
