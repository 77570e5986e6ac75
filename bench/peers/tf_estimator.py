"""Steps a second of TensorFlow's census estimator. Usage: tf_estimator.py DATA BATCH STEPS [cached | whole | cluster]

cached: batches are parsed once and repeated, the kindest input there is. whole: train, evaluate and export, as a job does.
cluster: cached, as one replica of the cluster that TF_CONFIG names; its server listens on every interface.
"""
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/interop"))
import census_tf as census  # noqa: E402

tf = census.tf
WARM_UP_STEPS = 50


class Timer(tf.estimator.SessionRunHook):
    """Measures from the end of the warm-up to the end of the last step."""
    steps = 0

    def after_run(self, context, values):
        self.steps += 1
        self.last = time.perf_counter()
        if self.steps == WARM_UP_STEPS:
            self.first = self.last

    def rate(self):
        return (self.steps - WARM_UP_STEPS) / (self.last - self.first)


def cached_input(path, batch):
    return lambda: tf.data.TextLineDataset(path).batch(batch).map(census.parse).cache().repeat().prefetch(1)


def serving_input():
    inputs = {name: census.v1.placeholder(tf.float32 if name in census.NUMERIC else tf.string, [None])
              for name in census.FEATURES}
    return tf.estimator.export.ServingInputReceiver({n: t[:, None] for n, t in inputs.items()}, inputs)


def main(data, batch, steps, kind="cached"):
    train = f"{data}/adult.data.csv"
    est = census.estimator(tempfile.mkdtemp())
    timer = Timer()
    inputs = cached_input(train, batch) if kind != "whole" else census.input_fn(train, batch, True, shuffle_seed=1)
    if kind == "cluster":  # A server comes back from this only when it is killed.
        tf.estimator.train_and_evaluate(est, tf.estimator.TrainSpec(inputs, max_steps=steps, hooks=[timer]),
                                        tf.estimator.EvalSpec(inputs, steps=1))
    else:
        est.train(inputs, max_steps=steps, hooks=[timer])
    if kind == "whole":
        census.evaluate(est, f"{data}/adult.test.csv")
        est.export_saved_model(tempfile.mkdtemp(), serving_input)
    print(json.dumps({"steps_per_second": timer.rate()}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
