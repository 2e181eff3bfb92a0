"""Writes leiden.json: how well leidenalg 0.12.0 (igraph 1.0.0) divides three graphs, for src/cluster/leiden/tests.rs.

python tests/data/leiden.py > tests/data/leiden.json

The graphs are Zachary's karate club, neighbours among the first 400 of scikit-learn 1.9.1's digits, and groups that are
joined at random; each has its nodes, its edges, and the most quality that ten seeds find, until nothing is gained, at
some resolutions: modularity (Reichardt and Bornholdt's, as a share of all weight) and the constant Potts model's.
"""
import json

import igraph
import leidenalg
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import kneighbors_graph


def karate():
    return [(a, b, 1.0) for a, b in igraph.Graph.Famous("Zachary").get_edgelist()]


def digits():
    distances = kneighbors_graph(load_digits().data[:400], 8, mode="distance")
    distances = distances.maximum(distances.T).tocoo()
    edges = zip(distances.row.tolist(), distances.col.tolist(), distances.data.tolist())
    return [(a, b, round(float(np.exp(-d / 20)), 3)) for a, b, d in edges if a < b]


def groups():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(6), [60, 50, 40, 30, 20, 10])
    inside = group[:, None] == group
    joined = rng.random(inside.shape) < np.where(inside, 0.15, 0.02)
    return [(int(a), int(b), round(float(w), 2)) for a, b in np.argwhere(joined) if a < b for w in [rng.uniform(0.5, 2)]]


def most(graph, partition, resolution):
    seeds = range(10)
    found = [leidenalg.find_partition(graph, partition, weights="weight", n_iterations=-1, seed=seed,
                                      resolution_parameter=resolution) for seed in seeds]
    # Edges count in both directions there.
    return max(f.quality() for f in found) / 2


written = []
for edges in [karate(), digits(), groups()]:
    n = 1 + max(b for _, b, _ in edges)
    graph = igraph.Graph(n, [(a, b) for a, b, _ in edges])
    graph.es["weight"] = [w for _, _, w in edges]
    weight = sum(graph.es["weight"])
    modularity = leidenalg.RBConfigurationVertexPartition
    written.append({
        "n": n,
        "edges": edges,
        "modularity": [[g, round(most(graph, modularity, g) / weight, 6)] for g in (0.5, 1.0, 2.0)],
        "cpm": [[g, round(most(graph, leidenalg.CPMVertexPartition, g), 4)] for g in (0.02, 0.1)],
    })
print("[" + ",\n".join(json.dumps(w, separators=(",", ":")) for w in written) + "]")
