"""From TensorFlow's initial weights and batches, dime's losses are TensorFlow's.

Usage: losses_test.py DIME
"""
import sys

from harness import Dime, check, data_dir, scratch_dir

data = data_dir()
import census_tf as tf_side  # noqa: E402

STEPS = 200
# Relative: float32 sums in another order, over 200 steps. The small rates of census-v1 leave the logits of people with a
# capital gain in the hundreds, where a ReLU that falls on the other side shows at once. README.md says the same numbers.
TOLERANCE = {"census": 1e-4, "census-v1": 5e-3}


def dime_losses(dime, job_dir, variant):
    dime.train(job_dir, own=["--model", variant, "--order", "as-read", "--summary-steps", "1"],
               train_files=f"{data}/adult.data.csv", train_steps=STEPS)
    losses = {}
    for file in job_dir.glob("events.out.tfevents.*"):
        for event in tf_side.v1.train.summary_iterator(str(file)):
            losses.update({event.step: v.simple_value for v in event.summary.value if v.tag == "loss"})
    return [losses[step] for step in sorted(losses)]


def main(dime):
    scratch = scratch_dir()
    for variant in tf_side.VARIANTS:
        theirs = scratch / f"tensorflow-{variant}"
        expected = tf_side.train(tf_side.estimator(str(theirs), 1, variant), f"{data}/adult.data.csv", STEPS)
        ours = scratch / f"dime-{variant}"
        tf_side.copy_checkpoint(theirs, 0, ours)
        found = dime_losses(dime, ours, variant)
        check(len(found) == len(expected) == STEPS, f"{variant}: {STEPS} losses on both sides")
        worst = max(abs(a - b) / abs(b) for a, b in zip(found, expected))
        check(worst <= TOLERANCE[variant], f"{variant}: losses from {expected[0]:.4f} to {expected[-1]:.4f} differ by {worst:.2e}")


main(Dime(sys.argv[1]))
