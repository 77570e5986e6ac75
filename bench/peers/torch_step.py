"""Steps a second of a census-shaped wide & deep net in PyTorch, on synthetic ids.

Usage: torch_step.py BATCH STEPS [THREADS]
"""
import json
import sys
import time

import torch
from torch import nn

ROWS, WIDE_SIZE = 32561, 1020258


class WideAndDeep(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = nn.EmbeddingBag(WIDE_SIZE, 1, mode="sum", sparse=True)
        self.embeddings = nn.ModuleList(nn.Embedding(100, 8, sparse=True) for _ in range(2))
        sizes = (66, 100, 70, 48, 34)
        layers = [layer for a, b in zip(sizes, sizes[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.deep = nn.Sequential(*layers, nn.Linear(34, 1))

    def forward(self, wide_ids, dense, deep_ids):
        embedded = [table(deep_ids[:, i]) for i, table in enumerate(self.embeddings)]
        return (self.wide(wide_ids) + self.deep(torch.cat([dense, *embedded], 1))).squeeze(1)


def main(batch, steps, threads=1):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    wide_ids = torch.randint(0, WIDE_SIZE, (ROWS, 11))
    dense = torch.cat([torch.rand(ROWS, 45).lt(.13).float(), torch.randn(ROWS, 5)], 1)
    deep_ids = torch.randint(0, 100, (ROWS, 2))
    labels = torch.rand(ROWS).lt(.24).float()
    model = WideAndDeep()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=.05, initial_accumulator_value=.1)
    loss_of = nn.BCEWithLogitsLoss()

    def run(count):
        for _ in range(count):
            rows = torch.randint(0, ROWS, (batch,))
            optimizer.zero_grad(set_to_none=True)
            loss_of(model(wide_ids[rows], dense[rows], deep_ids[rows]), labels[rows]).backward()
            optimizer.step()

    run(20)
    start = time.perf_counter()
    run(steps)
    print(json.dumps({"steps_per_second": steps / (time.perf_counter() - start)}))


main(*map(int, sys.argv[1:]))
