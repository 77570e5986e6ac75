"""TensorBoard's own readers understand dime's event files.

Usage: events_test.py DIME
"""
import sys

from harness import Dime, check, data_dir, scratch_dir

data = data_dir()
from tensorboard.backend.event_processing import event_accumulator, event_multiplexer  # noqa: E402


def main(dime):
    job_dir = scratch_dir() / "job"
    result = dime.train(job_dir, train_files=f"{data}/adult.data.csv", eval_files=f"{data}/adult.test.csv",
                        train_steps=300, eval_steps=0)

    runs = event_multiplexer.EventMultiplexer(size_guidance={event_accumulator.SCALARS: 0})
    runs.AddRunsFromDirectory(str(job_dir))
    runs.Reload()
    check(sorted(runs.Runs()) == [".", "eval_census-eval"], "one run for training, one for evaluation")

    tags = runs.Runs()["."]
    for tag in ("loss", "global_step/sec", "dnn/dnn/hiddenlayer_0/fraction_of_zero_values"):
        check(tag in tags["scalars"], f"training has the scalar {tag}")
    check("dnn/dnn/hiddenlayer_0/activation" in tags["histograms"], "training has the activations' histograms")
    losses = runs.Scalars(".", "loss")
    check(len(losses) >= 3 and losses == sorted(losses, key=lambda s: s.step), "losses come in the order of steps")
    histogram = runs.Histograms(".", "dnn/dnn/hiddenlayer_0/activation")[0].histogram_value
    check(histogram.num == 40 * 100, "a histogram counts every unit of every example")

    for name in ("accuracy", "auc", "average_loss"):
        (scalar,) = runs.Scalars("eval_census-eval", name)
        check(scalar.step == 300 and abs(scalar.value - result["metrics"][name]) < 1e-6, f"evaluation has {name}")


def cluster(dime):
    job_dir = scratch_dir() / "job"
    result = dime.train(job_dir, own=("--scale-tier", "STANDARD_1", "--consistency", "async"),
                        train_files=f"{data}/adult.data.csv", train_steps=15000)
    events = event_accumulator.EventAccumulator(str(job_dir), size_guidance={event_accumulator.SCALARS: 0})
    events.Reload()
    tags = events.Tags()
    for replica in result["cluster"]["replicas"]:
        for name in ("read_wait", "pull_wait", "compute", "push_wait", "parse_cpu"):
            tag = f"dime/replica/{replica['name']}/{name}_seconds"
            check(tag in tags["scalars"], f"there is the scalar {tag}")
            values = [event.value for event in events.Scalars(tag)]
            check(values == sorted(values), f"{tag} only grows")
    for name in ("requests", "rows_pulled", "received_bytes", "busy_seconds"):
        check(f"dime/server/ps-2/{name}" in tags["scalars"], f"there is {name} of a server")
    check(events.Scalars("dime/staleness/p99")[-1].value >= events.Scalars("dime/staleness/p50")[-1].value,
          "staleness has quantiles")
    histogram = events.Histograms("dime/staleness")[-1].histogram_value
    check(histogram.num == sum(histogram.bucket) > 0, "staleness has a histogram of whole pushes")


main(Dime(sys.argv[1]))
cluster(Dime(sys.argv[1]))
