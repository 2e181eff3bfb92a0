"""PyTorch beside `cargo bench --bench nn`: the same networks, sizes and steps, channels last.

pip install torch==2.15 torchvision; python benches/nn/rival.py [threads]
"""

import sys
from pathlib import Path

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from timing import median  # noqa: E402

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)


def pair(c_in, c_out):
    layers = []
    for c in (c_in, c_out):
        layers += [nn.Conv2d(c, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList(pair(a, b) for a, b in [(3, 16), (16, 32), (32, 64), (64, 128)])
        self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in [64, 32, 16])
        self.up = nn.ModuleList(pair(2 * c, c) for c in [64, 32, 16])
        self.last = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        skipped = []
        for level, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if level else x)
            skipped.append(x)
        for grow, up, skip in zip(self.grow, self.up, skipped[-2::-1]):
            x = up(torch.cat([grow(x), skip], 1))
        return self.last(x)


def train(name, model, x, loss):
    model = model.train().to(memory_format=torch.channels_last)
    x = x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)

    def step():
        optimizer.zero_grad()
        loss(model(x)).backward()
        optimizer.step()

    print(f"{name}: {median(step):.1f} ms", flush=True)


labels = torch.zeros(32, dtype=torch.long)
resnet = torchvision.models.resnet18()
train("resnet18, batch 32 at 64x64", resnet, torch.randn(32, 3, 64, 64), lambda y: F.cross_entropy(y, labels))
train("unet, batch 4 at 256x256", UNet(), torch.randn(4, 3, 256, 256), lambda y: y.square().mean())
