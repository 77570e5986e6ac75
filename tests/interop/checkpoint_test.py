"""Checkpoints go both ways: TensorFlow's estimator and dime load each other's, score the same and train on.

Usage: checkpoint_test.py DIME
"""
import sys

from harness import Dime, check, data_dir, scratch_dir

data = data_dir()
import census_tf as tf_side  # noqa: E402

TRAIN, TEST = f"{data}/adult.data.csv", f"{data}/adult.test.csv"
METRICS = ("accuracy", "accuracy_baseline", "auc", "auc_precision_recall", "average_loss", "label/mean", "precision",
           "prediction/mean", "recall")


def check_same_metrics(ours, theirs, what):
    for name in METRICS:
        # A probability within rounding of a threshold may fall on either side: a few of 16,278 rows.
        difference = abs(ours[name] - theirs[name])
        check(difference <= 2e-4, f"{what}: {name} {ours[name]:.6f} is TensorFlow's {theirs[name]:.6f}")


def evaluate(dime, job_dir, step):
    return dime.train(job_dir, train_files=TRAIN, eval_files=TEST, train_steps=step, eval_steps=0)


def main(dime):
    scratch = scratch_dir()
    theirs = scratch / "tensorflow"
    est = tf_side.estimator(str(theirs))
    tf_side.train(est, TRAIN, 200)

    ours = scratch / "dime"
    tf_side.copy_checkpoint(theirs, 200, ours)
    result = evaluate(dime, ours, 200)
    check(result["global_step"] == 200, "dime takes up TensorFlow's checkpoint where it stands")
    check_same_metrics(result["metrics"], tf_side.evaluate(est, TEST), "TensorFlow's weights")

    result = evaluate(dime, ours, 300)
    check(result["global_step"] == 300, "dime trains on from TensorFlow's checkpoint")
    reader = tf_side.tf.train.load_checkpoint(str(ours))
    expected = tf_side.tf.train.load_checkpoint(str(theirs)).get_variable_to_shape_map()
    check(reader.get_variable_to_shape_map() == expected, f"dime's checkpoint has TensorFlow's {len(expected)} variables")
    check(reader.get_tensor("global_step") == 300, "and the step")
    check_same_metrics(result["metrics"], tf_side.evaluate(est, TEST, str(ours / "model.ckpt-300")), "dime's weights")

    tf_side.train(tf_side.estimator(str(ours)), TRAIN, 320)
    check((ours / "model.ckpt-320.index").exists(), "TensorFlow trains on from dime's checkpoint")


main(Dime(sys.argv[1]))
