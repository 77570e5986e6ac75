"""From TensorFlow's weights and batches, dime's losses are TensorFlow's.

Usage: losses_test.py DIME
"""
import statistics
import sys

from harness import Dime, check, data_dir, scratch_dir

data = data_dir()
import census_tf as tf_side  # noqa: E402

STEPS = 200
# Both begin anew from TensorFlow's weights every so many steps. Float32 sums in another order differ by 1e-7 until a ReLU at
# its edge falls on the other side, which depends on the processor, and from then on by more and more.
SEGMENT = 8
MEDIAN, WORST = 2e-6, 1e-3


def dime_losses(dime, job_dir, variant, last_step):
    dime.train(job_dir, own=["--model", variant, "--order", "as-read", "--summary-steps", "1", "--export-name="],
               train_files=f"{data}/adult.data.csv", train_steps=last_step)
    losses = {}
    for file in job_dir.glob("events.out.tfevents.*"):
        for event in tf_side.v1.train.summary_iterator(str(file)):
            losses.update({event.step: v.simple_value for v in event.summary.value if v.tag == "loss"})
    return [losses[step] for step in sorted(losses)]


def main(dime):
    scratch = scratch_dir()
    for variant in tf_side.VARIANTS:
        theirs = scratch / f"tensorflow-{variant}"
        expected = tf_side.train(tf_side.estimator(str(theirs), 1, variant, checkpoint_steps=SEGMENT),
                                 f"{data}/adult.data.csv", STEPS)
        found = []
        for first in range(0, STEPS, SEGMENT):
            ours = scratch / f"dime-{variant}-{first}"
            tf_side.copy_checkpoint(theirs, first, ours)
            found += dime_losses(dime, ours, variant, first + SEGMENT)
        check(len(found) == len(expected) == STEPS, f"{variant}: {STEPS} losses on both sides")
        differences = [abs(a - b) / abs(b) for a, b in zip(found, expected)]
        median, worst = statistics.median(differences), max(differences)
        check(median <= MEDIAN and worst <= WORST,
              f"{variant}: losses from {expected[0]:.4f} to {expected[-1]:.4f} differ by {median:.1e}, and by {worst:.1e} at most")


main(Dime(sys.argv[1]))
