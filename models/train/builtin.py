"""Trains the encoder inside the binary and writes it as models/builtin.safetensors.

    python builtin.py prepare TINY_IMAGENET_160 WORK     pictures to one array, once
    python builtin.py train WORK                         resumes by itself; WORK/log.jsonl tells how it goes
    python builtin.py export WORK OUT.safetensors        batch norms folded, projection behind, f16

Needs PyTorch 2.x, Pillow and safetensors. A residual network learns to tell 140 classes apart; the other 20 (drawn by SPLIT_SEED) it
never sees: they choose between recipes. Two heads stand on the pooled features and are thrown away afterwards: a
classifier behind a hidden layer (cross entropy, smoothed labels; the layer keeps the features general: Wang et al. 2022,
"Revisiting the Transferability of Supervised Pretraining") and a projection for the supervised contrastive loss (Khosla
et al. 2020). Weights are averaged over steps.
"""

import json
import math
import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SPLIT_SEED, SEED = 160, 0
N_HELD_OUT = 20
WIDTHS = (32, 96, 192, 384)
CLASSES_A_BATCH, IMAGES_A_CLASS = 64, 4
EPOCHS = 32
# Share of the epochs from which on pictures have this side, and from which on the rate falls.
SIDES = ((0.0, 32), (0.35, 48), (0.75, 64))
DECAY_FROM = 0.6
RATE, MOMENTUM, WEIGHT_DECAY = 0.2, 0.9, 5e-4
SMOOTHING, CONTRAST, TEMPERATURE = 0.1, 0.5, 0.1
EMA = 0.998


def prepare(folder, work):
    from PIL import Image

    names = sorted(p.name for p in pathlib.Path(folder).iterdir() if p.is_dir())
    pictures, labels = [], []
    for label, name in enumerate(names):
        for path in sorted((pathlib.Path(folder) / name).iterdir()):
            pictures.append(np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1))
            labels.append(label)
    work.mkdir(parents=True, exist_ok=True)
    np.save(work / "pictures.npy", np.stack(pictures))
    np.save(work / "labels.npy", np.array(labels))
    (work / "names.json").write_text(json.dumps(names))


def split(n_classes=160):
    """The classes to learn and those held out."""
    order = np.random.RandomState(SPLIT_SEED).permutation(n_classes)
    return np.sort(order[N_HELD_OUT:]), np.sort(order[:N_HELD_OUT])


class Unit(nn.Module):
    """A 3 x 3 convolution with its norm."""

    def __init__(self, n_in, n_out, stride=1, kernel=3):
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x):
        return self.norm(self.conv(x))


class Block(nn.Module):
    """Two convolutions beside a shortcut, which is averaged and projected where the shape changes."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.first, self.second = Unit(n_in, n_out, stride), Unit(n_out, n_out)
        self.shortcut = Unit(n_in, n_out, kernel=1) if (n_in, stride) != (n_out, 1) else None
        self.stride = stride

    def forward(self, x):
        y = self.second(F.relu(self.first(x)))
        if self.shortcut is not None:
            x = self.shortcut(F.avg_pool2d(x, 2) if self.stride == 2 else x)
        return F.relu(x + y)


class Encoder(nn.Module):
    """Pictures (n, 3, side, side), roughly -2 to 2, side a multiple of 16, to features (n, 384), none negative."""

    def __init__(self, widths=WIDTHS):
        super().__init__()
        self.stem = Unit(3, widths[0], stride=2)
        inputs = (widths[0],) + tuple(widths[:-1])
        self.blocks = nn.Sequential(*(Block(i, o, 1 if at == 0 else 2) for at, (i, o) in enumerate(zip(inputs, widths))))

    def forward(self, x):
        return self.blocks(F.relu(self.stem(x))).mean((2, 3))


class Heads(nn.Module):
    def __init__(self, n_features, n_classes):
        super().__init__()
        self.classify = nn.Sequential(
            nn.Linear(n_features, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, n_classes))
        self.project = nn.Sequential(
            nn.Linear(n_features, n_features, bias=False), nn.BatchNorm1d(n_features), nn.ReLU(), nn.Linear(n_features, 128))

    def forward(self, h):
        return self.classify(h), F.normalize(self.project(h), dim=1)


def augment(x, side, generator):
    """A random part of each picture, resized, flipped, recoloured, some blurred as if enlarged from fewer pixels."""
    n = len(x)
    uniform = lambda low, high, shape=(n,): torch.rand(shape, generator=generator) * (high - low) + low
    area, ratio = uniform(0.25, 1.0), torch.exp(uniform(math.log(3 / 4), math.log(4 / 3)))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = width * mirror, height
    theta[:, 0, 2], theta[:, 1, 2] = (1 - width) * uniform(-1, 1), (1 - height) * uniform(-1, 1)
    x = F.grid_sample(x, F.affine_grid(theta, (n, 3, side, side), align_corners=False), padding_mode="reflection",
                      align_corners=False)
    coarse = int(side * uniform(0.4, 0.75, (1,)))
    few = n // 4
    small = F.interpolate(x[:few], size=(coarse, coarse), mode="bilinear", antialias=True)
    x = torch.cat([F.interpolate(small, size=(side, side), mode="bicubic").clamp(0, 1), x[few:]])
    grey = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    colour = torch.where(uniform(0, 1) < 0.1, torch.tensor(0.0), uniform(0.6, 1.4)).view(-1, 1, 1, 1)
    x = grey + (x - grey) * colour
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (mean + (x - mean) * uniform(0.6, 1.4).view(-1, 1, 1, 1)) * uniform(0.65, 1.35).view(-1, 1, 1, 1)
    x = x * uniform(0.9, 1.1, (n, 3)).view(n, 3, 1, 1)
    return normalise(x.clamp(0, 1))


def normalise(x):
    return (x - 0.45) / 0.25


def contrast(z, labels):
    """Supervised contrastive loss of unit vectors."""
    scores = z @ z.T / TEMPERATURE
    itself = torch.eye(len(z), dtype=torch.bool)
    scores = scores.masked_fill(itself, -1e9)
    same = (labels[:, None] == labels[None]) & ~itself
    logs = scores - scores.logsumexp(1, keepdim=True)
    return -(logs * same).sum(1).div(same.sum(1).clamp(min=1)).mean()


def batches(labels, generator):
    """An epoch: batches of a few pictures each of many classes."""
    n_classes = int(labels.max()) + 1
    queues = [torch.nonzero(labels == c).flatten() for c in range(n_classes)]
    queues = [q[torch.randperm(len(q), generator=generator)].tolist() for q in queues]
    for _ in range(len(labels) // (CLASSES_A_BATCH * IMAGES_A_CLASS)):
        weights = torch.tensor([float(len(q)) for q in queues])
        weights[weights < IMAGES_A_CLASS] = 0
        if int((weights > 0).sum()) < CLASSES_A_BATCH:
            return
        chosen = torch.multinomial(weights, CLASSES_A_BATCH, generator=generator).tolist()
        yield torch.tensor([queues[c].pop() for c in chosen for _ in range(IMAGES_A_CLASS)])


def features(encoder, pictures, side=64):
    rows = []
    with torch.no_grad():
        for part in torch.split(pictures, 500):
            x = part.float() / 255
            if x.shape[-1] != side:
                x = F.interpolate(x, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)
            rows.append(encoder(normalise(x)))
    return torch.cat(rows)


def neighbours(rows, labels, n=20):
    """Share of the 20 nearest, by cosine, that have the same class."""
    rows = F.normalize(rows, dim=1)
    shares = []
    for at in range(0, len(rows), 1000):
        scores = rows[at:at + 1000] @ rows.T
        scores[torch.arange(len(scores)), torch.arange(at, at + len(scores))] = -9
        near = labels[scores.topk(n).indices]
        shares.append((near == labels[at:at + 1000, None]).float().mean(1))
    return float(torch.cat(shares).mean())


def train(work):
    torch.manual_seed(SEED)
    pictures, all_labels = torch.from_numpy(np.load(work / "pictures.npy")), torch.from_numpy(np.load(work / "labels.npy"))
    learn, held_out = split()
    renumber = torch.full((160,), -1)
    renumber[torch.from_numpy(learn)] = torch.arange(len(learn))
    own = renumber[all_labels] >= 0
    unseen, unseen_labels = pictures[~own], all_labels[~own]
    pictures, labels = pictures[own], renumber[all_labels[own]]

    encoder = Encoder().to(memory_format=torch.channels_last)
    heads = Heads(WIDTHS[-1], len(learn))
    average = Encoder()
    average.load_state_dict(encoder.state_dict())
    average.eval()
    named = [(n, p) for m in (encoder, heads) for n, p in m.named_parameters()]
    optimiser = torch.optim.SGD(
        [{"params": [p for _, p in named if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
         {"params": [p for _, p in named if p.ndim == 1], "weight_decay": 0.0}],
        lr=RATE, momentum=MOMENTUM, nesterov=True)
    state, start, step = work / "state.pt", 0, 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        encoder.load_state_dict(saved["encoder"]), heads.load_state_dict(saved["heads"])
        average.load_state_dict(saved["average"]), optimiser.load_state_dict(saved["optimiser"])
        start, step = saved["epoch"] + 1, saved["step"]
    steps_an_epoch = len(labels) // (CLASSES_A_BATCH * IMAGES_A_CLASS)
    epoch = start
    while epoch < total_epochs(work):
        generator = torch.Generator().manual_seed(SEED * 1000 + epoch)
        encoder.train(), heads.train()
        began, sums, n = time.time(), np.zeros(3), 0
        for index in batches(labels, generator):
            done = (epoch + n / steps_an_epoch) / total_epochs(work)
            side = [s for at, s in SIDES if at <= epoch / total_epochs(work)][-1]
            rate = RATE * min(1, (step + 1) / (2 * steps_an_epoch), (1 - done) / (1 - DECAY_FROM))
            for group in optimiser.param_groups:
                group["lr"] = max(rate, 1e-4)
            x = augment(pictures[index].float() / 255, side, generator).to(memory_format=torch.channels_last)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                h = encoder(x)
            logits, z = heads(h.float())
            y = labels[index]
            classified = F.cross_entropy(logits, y, label_smoothing=SMOOTHING)
            contrasted = contrast(z, y)
            optimiser.zero_grad(set_to_none=True)
            (classified + CONTRAST * contrasted).backward()
            optimiser.step()
            step, n = step + 1, n + 1
            with torch.no_grad():
                keep = min(EMA, step / (step + 10))
                for a, b in zip(average.state_dict().values(), encoder.state_dict().values()):
                    a.lerp_(b, 1 - keep) if a.is_floating_point() else a.copy_(b)
            sums += (classified.item(), contrasted.item(), (logits.argmax(1) == y).float().mean().item())
        line = {"epoch": epoch, "of": total_epochs(work), "side": side, "rate": rate,
                "cross_entropy": sums[0] / n, "contrast": sums[1] / n, "accuracy": sums[2] / n,
                "neighbours": neighbours(features(average, unseen[::2]), unseen_labels[::2]),
                "seconds": time.time() - began}
        with open(work / "log.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")
        saved = {"encoder": encoder.state_dict(), "heads": heads.state_dict(), "average": average.state_dict(),
                 "optimiser": optimiser.state_dict(), "epoch": epoch, "step": step}
        torch.save(saved, work / "state.new")
        (work / "state.new").rename(state)
        epoch += 1


def rooted(rows):
    """Square roots of features, of unit length."""
    return F.normalize(rows.sqrt(), dim=1)


def discriminant(rows, labels, n=128):
    """Linear discriminant analysis whose scatter within classes is half a ball: weight (n, n_features) and bias (n)."""
    mean, names = rows.mean(0), labels.unique()
    means = torch.stack([rows[labels == name].mean(0) for name in names])
    within = (rows - means[torch.searchsorted(names, labels)]).T.cov()
    scatter, axes = torch.linalg.eigh(within)
    whiten = axes * (scatter + scatter.mean()).rsqrt()
    _, turn = torch.linalg.eigh(whiten.T @ means.T.cov() @ whiten)
    weight = (whiten @ turn.flip(1)[:, :n]).T
    return weight, -weight @ mean


def export(work, file):
    """The averaged weights as f16, each norm folded into its convolution, and a projection behind them: the discriminant
    of the learned classes, which brings classes never seen closer together, too."""
    from safetensors.torch import save_file

    encoder = Encoder()
    encoder.load_state_dict(torch.load(work / "state.pt", weights_only=True)["average"])
    pictures, labels = (torch.from_numpy(np.load(work / f"{name}.npy")) for name in ("pictures", "labels"))
    own = torch.isin(labels, torch.from_numpy(split()[0]))
    rows = features(encoder.eval().to(memory_format=torch.channels_last), pictures[own])
    weight, bias = discriminant(rooted(rows).double(), labels[own])
    tensors = {"project.weight": weight.half().contiguous(), "project.bias": bias.half()}
    for name, unit in encoder.named_modules():
        if isinstance(unit, Unit):
            scale = unit.norm.weight / (unit.norm.running_var + unit.norm.eps).sqrt()
            tensors[f"{name}.weight"] = (unit.conv.weight * scale.view(-1, 1, 1, 1)).detach().half().contiguous()
            tensors[f"{name}.bias"] = (unit.norm.bias - unit.norm.running_mean * scale).detach().half()
    save_file(tensors, file)


def total_epochs(work):
    """EPOCHS, unless WORK/epochs says otherwise: it may change until the rate falls."""
    file = work / "epochs"
    return int(file.read_text()) if file.exists() else EPOCHS


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "prepare":
        prepare(rest[0], pathlib.Path(rest[1]))
    elif command == "train":
        train(pathlib.Path(rest[0]))
    elif command == "export":
        export(pathlib.Path(rest[0]), rest[1])
    else:
        sys.exit(__doc__)
