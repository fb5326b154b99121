"""Small torch models of every supported layer, with rows to run through them; and the gradients by plain autograd."""

import torch
from torch import nn

ROWS = 7


class Words(nn.Module):
    """Embedding with padding, a linear layer at every position, a norm, a mean, a linear layer."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4, padding_idx=0)
        self.inner = nn.Linear(4, 5)
        self.norm = nn.LayerNorm(5)
        self.outer = nn.Linear(5, 3, bias=False)

    def forward(self, tokens):
        return self.outer(self.norm(torch.tanh(self.inner(self.embedding(tokens)))).mean(1))


class Signals(nn.Module):
    """Embedding, a convolution along the words, the largest of each channel."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.convolution = nn.Conv1d(4, 6, 3, padding=2, stride=2, dilation=2)
        self.outer = nn.Linear(6, 3)

    def forward(self, tokens):
        return self.outer(torch.relu(self.convolution(self.embedding(tokens).mT)).amax(2))


def network():
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(5, 3))


def images():
    return nn.Sequential(
        nn.Conv2d(2, 3, (3, 2), stride=(1, 2), padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(inplace=True),
        nn.Conv2d(3, 4, 2, bias=False),
        nn.Flatten(),
        nn.Linear(48, 5),
        nn.BatchNorm1d(5, affine=True),
        nn.Linear(5, 3),
    )


def features_of(name, chance):
    if name in ("words", "signals"):
        return torch.randint(0, 11, (ROWS, 9), generator=chance)
    return torch.randn(ROWS, 6, generator=chance) if name == "network" else torch.randn(ROWS, 2, 5, 6, generator=chance)


MODELS = {"network": network, "images": images, "words": Words, "signals": Signals}


def small_model(name, seed=0):
    """A model whose norms have seen some data, and a batch: features and labels."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    model = MODELS[name]().double()
    features = features_of(name, chance)
    features = features.double() if features.is_floating_point() else features
    model.train()
    for _ in range(3):
        model(features)
    return model, (features, torch.randint(0, 3, (ROWS,), generator=chance))


def losses_of(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def by_autograd(model, batch, name):
    """Gradient of each row's loss in a layer's parameters, as the layer's written-out gradients are laid out."""
    layer, rows = model.get_submodule(name), []
    modes = {part: part.training for part in model.modules()}
    model.eval()
    for row in range(len(batch[0])):
        loss = losses_of(model, [part[row : row + 1] for part in batch]).sum()
        found = torch.autograd.grad(loss, list(layer.parameters()))
        rows.append(_laid_out(layer, *found))
    for part, mode in modes.items():
        part.training = mode
    return torch.stack(rows)


def _laid_out(layer, weight, bias=None):
    if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
        flat = weight.flatten(1)
        return (flat if bias is None else torch.cat([flat, bias[:, None]], dim=1)).flatten()
    return weight.flatten() if bias is None else torch.cat([weight.flatten(), bias])
