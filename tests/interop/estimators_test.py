"""Every estimator and optimizer does what TensorFlow's does: fed the same rows from the same checkpoint, both end with
the same variables, slots among them, and take up each other's checkpoints; TensorFlow runs the export.

Usage: estimators_test.py DIME
"""
import csv
import random
import sys

from beside_tensorflow import check_export, check_same_metrics, check_same_variables, copy_checkpoint, make_estimator
from harness import Dime, scratch_dir

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
fc = tf.feature_column

FIRST, SECOND, THIRD = 6, 40, 50  # Steps where one hands over to the other.
BATCH_SIZE, NUM_ROWS = 40, 400

PAGE = """
input:
  header_lines: 1
  fields:
    - {name: size, type: float, default: 1.5}
    - {name: color, type: string, default: ""}
    - {name: shape, type: string, default: ""}
    - {name: answer, type: string, default: ""}
    - {name: grade, type: integer}
    - {name: price, type: float}
label: LABEL
columns:
  size: {kind: numeric}
  color: {kind: vocabulary_list, vocabulary: ["red", "green", "blue"]}
  shape: {kind: hash_bucket, buckets: 7}
  size_bucketized: {kind: bucketized, source: size, boundaries: [-1, 0, 1]}
  color_indicator: {kind: indicator, source: color}
  shape_embedding: {kind: embedding, source: shape, dimension: 3}
estimator:
  kind: KIND
"""
LINEAR = """
  linear_columns: [color, shape, size_bucketized, size]
  linear_optimizer: """
DNN = """
  dnn_columns: [size, color_indicator, shape_embedding]
  hidden_units: [6, 4]
  dnn_optimizer: """

# How the page describes a label, TensorFlow's n_classes, and the label of a row.
LABELS = {
    "answer": ('{field: answer, vocabulary: ["no", "yes"]}', 2, lambda row: int(row[3] == "yes")),
    "grade": ("{field: grade, num_classes: 4}", 4, lambda row: row[4]),
    "price": ("{field: price}", None, lambda row: row[5]),
}
ADAGRAD = ("{kind: adagrad, learning_rate: 0.1}", lambda: v1.train.AdagradOptimizer(0.1))
FTRL = ("{kind: ftrl, learning_rate: 0.2}", lambda: v1.train.FtrlOptimizer(0.2))
ADAM = ("{kind: adam, learning_rate: 0.02}", lambda: v1.train.AdamOptimizer(0.02))
RMSPROP = ("{kind: rmsprop, learning_rate: 0.02}", lambda: v1.train.RMSPropOptimizer(0.02))
SGD = ("{kind: sgd, learning_rate: 0.1}", lambda: v1.train.GradientDescentOptimizer(0.1))

# Each estimator: kind, label, optimizers of the deep and of the linear part.
ESTIMATORS = [
    ("LinearClassifier", "answer", None, FTRL),
    ("LinearClassifier", "grade", None, ADAM),
    ("DNNClassifier", "answer", ADAGRAD, None),
    ("DNNClassifier", "grade", ADAM, None),
    ("DNNLinearCombinedClassifier", "grade", RMSPROP, FTRL),
    ("LinearRegressor", "price", None, FTRL),
    ("DNNRegressor", "price", RMSPROP, None),
    ("DNNLinearCombinedRegressor", "price", ADAGRAD, SGD),
]

# dnn_optimizer and linear_optimizer of the wide & deep classifier: as the page has them, and as TensorFlow makes them.
OPTIMIZERS = [
    ("{kind: momentum, learning_rate: 0.02, momentum: 0.8}", lambda: v1.train.MomentumOptimizer(0.02, 0.8),
     "{kind: sgd, learning_rate: 0.1}", lambda: v1.train.GradientDescentOptimizer(0.1)),
    ("{kind: adam, learning_rate: 0.01}", lambda: v1.train.AdamOptimizer(0.01),
     "{kind: adam, learning_rate: 0.02, beta1: 0.8, beta2: 0.99, epsilon: 1e-6}",
     lambda: v1.train.AdamOptimizer(0.02, 0.8, 0.99, 1e-6)),
    ("{kind: rmsprop, learning_rate: 0.01, rho: 0.85, momentum: 0.5}", lambda: v1.train.RMSPropOptimizer(0.01, 0.85, 0.5),
     "{kind: ftrl, learning_rate: 0.2, l1: 0.01, l2: 0.02, learning_rate_power: -0.6}",
     lambda: v1.train.FtrlOptimizer(0.2, learning_rate_power=-0.6, l1_regularization_strength=0.01,
                                    l2_regularization_strength=0.02)),
    ("{kind: momentum, learning_rate: 0.02, nesterov: true}",
     lambda: v1.train.MomentumOptimizer(0.02, 0.9, use_nesterov=True),
     "{kind: adam, learning_rate: 0.02}", lambda: v1.train.AdamOptimizer(0.02)),
    ("{kind: adagrad, learning_rate: 0.1, decay: {kind: exponential, steps: 7, rate: 0.8, staircase: true}}",
     lambda: v1.train.AdagradOptimizer(v1.train.exponential_decay(0.1, v1.train.get_global_step(), 7, 0.8, True)),
     "{kind: rmsprop, learning_rate: 0.05, decay: {kind: polynomial, steps: 30, end_rate: 0.001, power: 2}}",
     lambda: v1.train.RMSPropOptimizer(v1.train.polynomial_decay(0.05, v1.train.get_global_step(), 30, 0.001, 2))),
    ("{kind: adam, learning_rate: 0.02, decay: {kind: cosine, steps: 30, alpha: 0.1}}",
     lambda: v1.train.AdamOptimizer(v1.train.cosine_decay(0.02, v1.train.get_global_step(), 30, 0.1)),
     "{kind: momentum, learning_rate: 0.05, decay: {kind: inverse_time, steps: 4, rate: 0.5}}",
     lambda: v1.train.MomentumOptimizer(v1.train.inverse_time_decay(0.05, v1.train.get_global_step(), 4, 0.5), 0.9)),
]


def make_rows():
    random.seed(5)
    rows = []
    for _ in range(NUM_ROWS):
        size, color = round(random.gauss(0, 1.5), 2), random.choice(["red", "green", "blue", "other", ""])
        shape = random.choice(["round", "square", "flat", "long", ""])
        chance = 1 / (1 + np.exp(-(size + 2 * (color == "red") - (shape == "flat"))))
        grade = min(3, int(4 * chance)) if random.random() < 0.8 else random.randrange(4)
        price = round(2 * size - 3 * (shape == "long") + random.gauss(0, 0.5), 3)
        rows.append([size, color, shape, "yes" if random.random() < chance else "no", grade, price])
    return rows


def input_fn(rows, label, first_step=None):
    """All rows once; from a step on: batches in the rows' order, again from the start when they end."""
    features = {"size": np.array([[row[0]] for row in rows], np.float32),
                **{name: np.array([[row[i]] for row in rows]) for i, name in ((1, "color"), (2, "shape"))}}
    labels = np.array([[label(row)] for row in rows])
    def dataset():
        rows_in_order = tf.data.Dataset.from_tensor_slices((features, labels))
        if first_step is None:
            return rows_in_order.batch(len(rows))
        return rows_in_order.repeat().batch(BATCH_SIZE).skip(first_step)
    return dataset


def estimator(model_dir, kind, n_classes, dnn_optimizer, linear_optimizer):
    size = fc.numeric_column("size")
    color = fc.categorical_column_with_vocabulary_list("color", ["red", "green", "blue"])
    shape = fc.categorical_column_with_hash_bucket("shape", 7)
    linear = [color, shape, fc.bucketized_column(size, [-1, 0, 1]), size]
    deep = [size, fc.indicator_column(color), fc.embedding_column(shape, 3)]
    more = {"n_classes": n_classes} if n_classes else {}
    return make_estimator(model_dir, kind, linear, deep, dnn_optimizer, linear_optimizer, **more)


def make_page(kind, label, dnn_text, linear_text):
    page = PAGE.replace("LABEL", LABELS[label][0]).replace("KIND", kind)
    page += LINEAR + linear_text if linear_text else ""
    return page + (DNN + dnn_text if dnn_text else "") + "\n"


def run_case(dime, scratch, rows, number, kind, label, dnn, linear):
    (dnn_text, dnn_optimizer), (linear_text, linear_optimizer) = dnn or ("", None), linear or ("", None)
    _, n_classes, label_of = LABELS[label]
    name = f"{kind} of {label}, {dnn_text} {linear_text}"
    folder = scratch / str(number)
    folder.mkdir()
    page = folder / "model.yaml"
    page.write_text(make_page(kind, label, dnn_text, linear_text))

    def train(job_dir, steps):
        return dime.train(job_dir, own=["--model", page, "--order", "as-read"], train_files=scratch / "rows.csv",
                          eval_files=scratch / "rows.csv", train_batch_size=BATCH_SIZE, train_steps=steps,
                          eval_batch_size=NUM_ROWS, eval_steps=0, export_format="CSV")

    def theirs(job_dir):
        return estimator(job_dir, kind, n_classes, dnn_optimizer, linear_optimizer)

    metrics = train(folder / "dime", FIRST)["metrics"]
    copy_checkpoint(folder / "dime", FIRST, folder / "tensorflow")
    check_same_metrics(metrics, theirs(folder / "tensorflow").evaluate(input_fn(rows, label_of)), f"{name}: dime's checkpoint")
    theirs(folder / "tensorflow").train(input_fn(rows, label_of, FIRST), max_steps=SECOND)
    result = train(folder / "dime", SECOND)
    check_same_variables(folder / f"dime/model.ckpt-{SECOND}", folder / f"tensorflow/model.ckpt-{SECOND}", name)
    check_export(result["export"], list(theirs(folder / "dime").predict(input_fn(rows, label_of))), name)

    copy_checkpoint(folder / "tensorflow", SECOND, folder / "back")
    train(folder / "back", THIRD)
    theirs(folder / "tensorflow").train(input_fn(rows, label_of, SECOND), max_steps=THIRD)
    check_same_variables(folder / f"back/model.ckpt-{THIRD}", folder / f"tensorflow/model.ckpt-{THIRD}",
                         f"{name}, from TensorFlow's checkpoint")


def main(dime):
    scratch = scratch_dir()
    rows = make_rows()
    with open(scratch / "rows.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["size", "color", "shape", "answer", "grade", "price"])
        writer.writerows(rows)
    cases = ESTIMATORS + [("DNNLinearCombinedClassifier", "answer", (dnn_text, dnn), (linear_text, linear))
                          for dnn_text, dnn, linear_text, linear in OPTIMIZERS]
    for number, case in enumerate(cases):
        run_case(dime, scratch, rows, number, *case)


main(Dime(sys.argv[1]))
