"""Checkpoints in several files and slices go both ways: TensorFlow reads those of parameter servers, dime those of
partitioned variables.

Usage: slices_test.py DIME
"""
import sys

import numpy as np

from harness import Dime, check, data_dir, scratch_dir

data = data_dir()
import tensorflow as tf  # noqa: E402

TRAIN, TEST = f"{data}/adult.data.csv", f"{data}/adult.test.csv"
SYNC = ("--consistency", "sync", "--micro-batches", "5")


def train(dime, job_dir, steps, own):
    return dime.train(job_dir, own=own, train_files=TRAIN, eval_files=TEST, train_steps=steps, eval_steps=0)


def variables(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def check_same(ours, theirs, what):
    check(ours.keys() == theirs.keys(), f"{what}: the same {len(ours)} variables")
    check(all(np.array_equal(ours[name], theirs[name]) for name in ours), f"{what}: the same values")


def save_in_slices(prefix, values):
    """What a partitioner makes of variables: each matrix of many rows in three slices."""
    names, slices, tensors = [], [], []
    for name, value in sorted(values.items()):
        starts = [0, 7, 30, value.shape[0]] if value.ndim == 2 and value.shape[0] > 40 else None
        for first, end in zip(starts, starts[1:]) if starts else [(0, 0)]:
            names.append(name)
            rows, columns = value.shape if starts else (0, 0)
            slices.append(f"{rows} {columns} {first},{end - first}:0,{columns}" if starts else "")
            tensors.append(value[first:end] if starts else value)
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=slices, tensors=tensors)


def main(dime):
    scratch = scratch_dir()
    alone = scratch / "alone"
    train(dime, alone, 60, SYNC[2:])
    cluster = scratch / "cluster"
    own = ("--distributed", "--worker-count", "1", "--parameter-server-count", "3", *SYNC)
    result = train(dime, cluster, 60, own)
    check(len(list(cluster.glob("model.ckpt-60.data-*-of-00003"))) == 3, "three servers write three data files")
    check_same(variables(cluster / "model.ckpt-60"), variables(alone / "model.ckpt-60"), "TensorFlow reads them whole")

    sliced = scratch / "sliced"
    sliced.mkdir()
    save_in_slices(sliced / "model.ckpt-60", variables(alone / "model.ckpt-60"))
    (sliced / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-60"\n')
    evaluated = train(dime, sliced, 60, SYNC[2:])
    check(evaluated["metrics"] == result["metrics"], "dime reads slices that TensorFlow has written")
    train(dime, sliced, 70, own)
    train(dime, alone, 70, SYNC[2:])
    check_same(variables(sliced / "model.ckpt-70"), variables(alone / "model.ckpt-70"), "and trains on from them")


main(Dime(sys.argv[1]))
