"""PyTorch beside `alike embed train-images-idx3-ubyte.gz --model learn`: the same network, views and losses, f32.

pip install torch==2.15 numpy; python benches/learn/rival.py train-images-idx3-ubyte.gz [steps] [threads]

Prints the seconds a step, and the seconds a step without the views.
"""

import gzip
import statistics
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

BATCH, TEMPERATURE, EVENNESS = 512, 0.5, 1.5
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 60
torch.set_num_threads(int(sys.argv[3]) if len(sys.argv) > 3 else 2)
torch.manual_seed(0)


def uniform(shape, size):
    return (torch.rand(shape) * 2 - 1) * size


def views(x):
    n, _, h, w = x.shape
    angle, shear, scale = uniform(n, 0.35), uniform(n, 0.3), 1 + uniform(n, 0.25)
    aspect, cos, sin = torch.exp(uniform(n, 0.2)), torch.cos(angle), torch.sin(angle)
    matrix = torch.stack([cos / scale * aspect, (shear - sin) / scale, sin / scale, cos / scale / aspect], 1)
    matrix = torch.cat([matrix.reshape(n, 2, 2), uniform((n, 2, 1), 0.2)], 2)
    bend = F.interpolate(uniform((n, 2, 5, 5), 0.17), size=(h, w), mode="bilinear", align_corners=True)
    grid = F.affine_grid(matrix, x.shape, align_corners=False) + bend.permute(0, 2, 3, 1)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    amount = uniform((n, 1, 1, 1), 0.5)
    stroke = torch.where(amount > 0, F.max_pool2d(x, 3, 1, 1), -F.max_pool2d(-x, 3, 1, 1))
    return x + amount.abs() * (stroke - x)


def stage(c_in, c_out, kernel, stride):
    convolution = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.Sequential(stage(1, 32, 5, 2), stage(32, 64, 3, 2), stage(64, 128, 3, 2), stage(128, 128, 3, 1))
        self.project = nn.Sequential(
            nn.Linear(128, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(inplace=True), nn.Linear(256, 128)
        )
        self.sort = nn.ModuleList(nn.Linear(128, 20) for _ in range(3))

    def forward(self, x):
        seen = self.stages(x).mean((2, 3))
        return self.project(seen), [sort(seen).softmax(1) for sort in self.sort]


def contrast(z):
    z, n = F.normalize(z, dim=1), len(z) // 2
    scores = (z @ z.T / TEMPERATURE).masked_fill(torch.eye(2 * n, dtype=torch.bool), float("-inf"))
    return F.cross_entropy(scores, torch.arange(2 * n).roll(n))


def disagreement(shares):
    n = len(shares) // 2
    joint = shares[:n].T @ shares[n:]
    joint = (joint + joint.T) / (2 * n) + 1e-9
    own = joint.sum(1)
    return 2 * EVENNESS * (own * own.log()).sum() - (joint * joint.log()).sum()


pictures = np.frombuffer(gzip.open(sys.argv[1]).read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
pictures = torch.from_numpy(pictures.copy())
network = Network().to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-4)
whole, after_views = [], []
for step in range(steps):
    start = time.perf_counter()
    batch = pictures[torch.randint(len(pictures), (BATCH,))].float() / 255
    x = torch.cat([views(batch), views(batch)]).to(memory_format=torch.channels_last)
    between = time.perf_counter()
    z, shares = network(x)
    loss = contrast(z) + sum(map(disagreement, shares)) / len(shares)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    end = time.perf_counter()
    whole.append(end - start)
    after_views.append(end - between)
print(f"{statistics.median(whole):.3f} s a step, {statistics.median(after_views):.3f} s without the views", flush=True)
