"""Sketches of per-completion gradients: seeded random projections to a few thousand numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from baselines.advise.pilot_data import SKETCH_SIZE, Sketches
from baselines.policies.base import Completion, TrainablePolicy
from baselines.train.update.batching import PADDED, TrainingSample

SEED = 20261130
CHUNK = 2**24
"""Most elements of the gradients of one layer that are in memory at once."""


class Projection:
    """A count sketch of all trained parameters, one random sign and one bucket for each.

    sketch[b] = sum of sign[i] * gradient[i] over the parameters i of bucket b

    Inner products of sketches are those of the gradients on average over the signs, with relative
    errors of about 1 / sqrt(P). Signs are drawn again from a seed per parameter when they are
    needed, so that they take no memory.

    Args:
        parameters: The trained parameters.
        size: Numbers of a sketch, P.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], size: int = SKETCH_SIZE) -> None:
        self.size = size
        self._place = {id(parameter): place for place, parameter in enumerate(parameters)}
        self._signs: dict[int, Tensor] = {}

    def __contains__(self, parameter: object) -> bool:
        return id(parameter) in self._place

    @property
    def num_parameters(self) -> int:
        """Number of parameter tensors."""
        return len(self._place)

    def of(self, parameter: nn.Parameter, gradients: Tensor) -> Tensor:
        """Return the sketches of B gradients of a parameter, shape (B, *its shape), as (B, P)."""
        flat = gradients.reshape(len(gradients), -1) * self.signs(parameter)
        padded = nn.functional.pad(flat, (0, -flat.shape[1] % self.size))
        return padded.view(len(flat), -1, self.size).sum(dim=1)

    def signs(self, parameter: nn.Parameter) -> Tensor:
        """Return the sign of each element of a parameter, flat."""
        place = self._place[id(parameter)]
        if place not in self._signs:
            generator = torch.Generator().manual_seed(SEED + place)
            drawn = torch.randint(2, (parameter.numel(),), generator=generator, dtype=torch.int8)
            signs = (2 * drawn - 1).to(parameter.device)
            if parameter.numel() > CHUNK:
                return signs
            self._signs[place] = signs
        return self._signs[place]


def sketches(
    policy: TrainablePolicy,
    completions: Sequence[Completion],
    *,
    micro_batch_tokens: int,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Sketches:
    """Return the sketch of the gradient of each completion's log-probability.

    Args:
        policy: The policy that sampled them; its trained parameters are those that require a
            gradient.
        completions: B completions; the gradient of an empty one is 0.
        micro_batch_tokens: Padded tokens of one forward and backward pass.
        on_batch: Called with the number of completions after each batch.

    Returns:
        Shape (B, P), float32.

    Note: The gradients of linear layers, embeddings and normalisations are computed for a whole
        batch from their inputs and the gradients of their outputs. If a trained parameter is in
        none of these, or is not used through them, completions are computed one at a time.
    """
    module = policy.module
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    projection = Projection(trained)
    found = np.zeros((len(completions), projection.size), dtype=np.float32)
    samples = [TrainingSample(completion, 0.0) for completion in completions]
    place_of = {id(sample): place for place, sample in enumerate(samples)}
    filled = [sample for sample in samples if sample.num_completion_tokens]
    is_batched = covers(module, projection)
    for batch in PADDED.batches(filled, micro_batch_tokens):
        own = [sample.completion for sample in batch]
        values = _of_batch(policy, own, projection) if is_batched else None
        if values is None:
            is_batched = False
            values = torch.stack([_of_one(policy, one, trained, projection) for one in own])
        found[[place_of[id(sample)] for sample in batch]] = values.float().cpu().numpy()
        on_batch(len(batch))
    return found


def covers(module: nn.Module, projection: Projection) -> bool:
    """Return whether all trained parameters are in layers whose gradients can be batched."""
    known = {
        id(parameter)
        for layer in module.modules()
        if _rule(layer) is not None
        for parameter in layer.parameters(recurse=False)
        if parameter in projection
    }
    return len(known) == projection.num_parameters


def _of_one(
    policy: TrainablePolicy,
    completion: Completion,
    trained: Sequence[nn.Parameter],
    projection: Projection,
) -> Tensor:
    """Return the sketch of one completion by automatic differentiation, (P,)."""
    total = policy.logprobs([completion]).sum()
    gradients = torch.autograd.grad(total, trained, allow_unused=True)
    parts = [
        projection.of(parameter, gradient[None])[0]
        for parameter, gradient in zip(trained, gradients, strict=True)
        if gradient is not None
    ]
    return torch.stack(parts).sum(dim=0)


def _of_batch(
    policy: TrainablePolicy, completions: Sequence[Completion], projection: Projection
) -> Tensor | None:
    """Return the sketches of a batch, (B, P); None if a trained parameter was not reached."""
    with _recorded(policy.module, len(completions), projection) as record:
        total = policy.logprobs(completions).sum()
        if total.requires_grad:  # not if the layers are not called, as in a merged copy
            total.backward()  # type: ignore[no-untyped-call]
    return record.total if len(record.reached) == projection.num_parameters else None


class _Record:
    """Adds up the sketches of a batch, layer by layer, during the backward pass."""

    def __init__(self, batch_size: int, projection: Projection) -> None:
        self.projection = projection
        self.reached: set[int] = set()
        self.total = torch.zeros(batch_size, projection.size)

    def forward(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Have the gradient of an output added, when it is known; a hook of the forward pass."""
        if not output.requires_grad:  # of an embedding, whose weights take no gradient here
            output.requires_grad_()
        hook = partial(self._backward, layer, inputs[0].detach())
        output.register_hook(hook)  # type: ignore[no-untyped-call]

    def _backward(self, layer: nn.Module, given: Tensor, gradient: Tensor) -> None:
        rule = _rule(layer)
        assert rule is not None
        if len(gradient) != len(self.total):
            return  # not one row per completion: left unreached
        for name, parameter in layer.named_parameters(recurse=False):
            if parameter in self.projection:
                self.reached.add(id(parameter))
                added = rule(self.projection, layer, name, given, gradient)
                self.total += added.to(self.total)


@contextmanager
def _recorded(module: nn.Module, batch_size: int, projection: Projection) -> Iterator[_Record]:
    """Record the sketches of a batch, without gradients of the parameters themselves."""
    record = _Record(batch_size, projection)
    layers = [layer for layer in module.modules() if _rule(layer) is not None]
    own = [
        layer
        for layer in layers
        if isinstance(layer, nn.Embedding)
        or any(parameter in projection for parameter in layer.parameters(recurse=False))
    ]
    hooks = [layer.register_forward_hook(record.forward) for layer in own]
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        yield record
    finally:
        for hook in hooks:
            hook.remove()
        for parameter in trained:
            parameter.requires_grad_(True)


Rule = Callable[[Projection, nn.Module, str, Tensor, Tensor], Tensor]
"""(projection, layer, name of its parameter, input, gradient of the output) -> sketches (B, P)."""


def _rule(layer: nn.Module) -> Rule | None:
    """Return how to sketch the gradients of a layer's parameters; None if it is not known."""
    if type(layer) is nn.Linear:
        return _linear
    if type(layer) is nn.Embedding:
        return _embedding
    names = [name for name, _ in layer.named_parameters(recurse=False)]
    is_norm = type(layer).__name__.endswith("RMSNorm") or type(layer) is nn.LayerNorm
    if is_norm and names and not set(names) - {"weight", "bias"} and not [*layer.children()]:
        return _norm
    return None


def _linear(
    projection: Projection, layer: nn.Module, name: str, given: Tensor, gradient: Tensor
) -> Tensor:
    """Sketch the sum over tokens of gradient x input, or of the gradient for a bias."""
    parameter = layer.get_parameter(name)
    gradient = gradient.flatten(1, -2)
    if name == "bias":
        return projection.of(parameter, gradient.sum(dim=1))
    given = given.flatten(1, -2).to(gradient)
    rows = max(1, CHUNK // parameter.numel())
    return torch.cat(
        [
            projection.of(
                parameter,
                gradient[first : first + rows].transpose(1, 2) @ given[first : first + rows],
            )
            for first in range(0, len(gradient), rows)
        ]
    )


def _embedding(
    projection: Projection, layer: nn.Module, name: str, given: Tensor, gradient: Tensor
) -> Tensor:
    """Sketch the gradient of each token's row, in the buckets of that row."""
    parameter = layer.get_parameter(name)
    width = parameter.shape[1]
    tokens = given.reshape(len(given), -1, 1)
    places = (tokens * width + torch.arange(width, device=tokens.device)).flatten(1)
    values = gradient.reshape(places.shape) * projection.signs(parameter)[places]
    total = gradient.new_zeros(len(given), projection.size)
    return total.scatter_add_(1, places % projection.size, values)


def _norm(
    projection: Projection, layer: nn.Module, name: str, given: Tensor, gradient: Tensor
) -> Tensor:
    """Sketch the sum over tokens of gradient x what the weight multiplies.

    The output is linear in the weight, so the difference of the outputs of two weights is that.
    """
    parameter = layer.get_parameter(name)
    with torch.no_grad():
        one, zero = (
            torch.func.functional_call(layer, {name: weight}, (given,))
            for weight in (torch.ones_like(parameter), torch.zeros_like(parameter))
        )
    return projection.of(parameter, (gradient * (one - zero)).flatten(1, -2).sum(dim=1))
