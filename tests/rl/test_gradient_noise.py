"""The signal-to-noise ratio of the gradient, from successive steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.train.update import gradient_noise
from baselines.train.update.gradient_noise import GradientNoise, signal_to_noise


def test_ratio_by_hand():
    # g·h = 3 and |g - h|² / 2 = 1 / 2; then 3 and (1 + 2.25) / 2.
    assert signal_to_noise(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 1.0])) == 3.0 / 0.5
    assert signal_to_noise(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 0.5])) == pytest.approx(
        3.0 / ((1.0 + 2.25) / 2)
    )
    assert signal_to_noise(torch.ones(3), -torch.ones(3)) == -0.5
    assert signal_to_noise(torch.ones(3), torch.ones(3)) is None


def test_ratio_is_that_of_the_gradient_noise_scale_of_two_batch_sizes():
    # McCandlish et al., appendix A.1, with B_small = 1 and B_big = 2:
    # |G|² = (2 |big|² - |small|²) / (2 - 1), tr(Cov) = (|small|² - |big|²) / (1 - 1 / 2).
    g, h = (torch.from_numpy(np.random.default_rng(k).normal(0.3, 1.0, 50)) for k in (1, 2))
    small, big = (g @ g + h @ h) / 2, ((g + h) / 2) @ ((g + h) / 2)
    expected = (2 * big - small) / ((small - big) / 0.5)
    assert signal_to_noise(g, h) == pytest.approx(float(expected))


def test_ratio_is_on_average_the_squared_gradient_over_the_variance():
    rng = np.random.default_rng(6)
    size, scale = 4_000, 0.5
    gradient = rng.normal(size=size)
    found = [
        signal_to_noise(*(torch.from_numpy(gradient + scale * rng.normal(size=size)) for _ in "gh"))
        for _ in range(40)
    ]
    expected = (gradient @ gradient) / (size * scale**2)
    assert np.mean(found) == pytest.approx(expected, rel=0.03)


def parameters_of(*sizes):
    return [torch.nn.Parameter(torch.zeros(size)) for size in sizes]


def put(parameters, gradients):
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else torch.tensor(gradient, dtype=torch.float32)


def test_measure_compares_with_the_gradient_before():
    parameters = parameters_of(2, (1, 1))
    noise = GradientNoise(parameters)
    put(parameters, [[2.0, 1.0], None])  # a parameter that was not used has gradient 0
    assert noise.measure() is None
    put(parameters, [[1.0, 1.0], [[1.0]]])
    assert noise.measure() == 3.0 / 1.0
    put(parameters, [[float("inf"), 1.0], None])
    assert noise.measure() is None  # and it is not kept
    put(parameters, [[1.0, 1.0], [[-1.0]]])
    assert noise.measure() == 1.0 / 2.0


def test_a_choice_of_coordinates_estimates_the_ratio_of_all(monkeypatch):
    monkeypatch.setattr(gradient_noise, "MAX_COORDINATES", 4_000)
    rng = np.random.default_rng(7)
    parameters, found = parameters_of(30_000, (100, 100), 3), []
    chosen = GradientNoise(parameters)
    signal = rng.normal(0.0, 1.0, 40_003)
    vectors = [signal + rng.normal(size=40_003) for _ in range(2)]
    for vector in vectors:
        parts = np.split(vector, [30_000, 40_000])
        put(parameters, [parts[0], parts[1].reshape(100, 100), parts[2]])
        found.append(chosen.measure())
    assert len(chosen.before) == 4_000
    expected = signal_to_noise(*map(torch.from_numpy, vectors))
    assert found == [None, pytest.approx(expected, rel=0.1)]
