"""dime's models are as good as TensorFlow's.

Usage: quality_test.py DIME same-start | own-seeds | ten-epochs | clusters
  same-start  from the same weights and batches, 4 seeds, each also with its last bits changed, 1000 steps: AUC differs
              by at most .0005 in the median, .003 in the mean
  own-seeds   32 seeds of dime's own, 1000 steps: mean accuracy and AUC reach TensorFlow's
  ten-epochs  16 seeds, 10 epochs: the means are not below TensorFlow's in the same run by more than .002
  clusters    16 seeds on STANDARD_1, 1000 global steps: the mean AUC of sync and bounded reaches TensorFlow's; async is told
"""
import concurrent.futures
import statistics
import subprocess
import sys

from harness import Dime, check, data_dir, scratch_dir

data = data_dir()
TRAIN, TEST = f"{data}/adult.data.csv", f"{data}/adult.test.csv"


def metrics_of(dime, job_dir, seed, **flags):
    result = dime.train(job_dir, own=["--seed", seed], train_files=TRAIN, eval_files=TEST, eval_steps=0, **flags)
    return result["metrics"]


def same_start(dime):
    """A bit of the first weights decides where a ReLU at its edge goes, and moves TensorFlow's own AUC after 1000
    steps by up to .01; processors that round otherwise do the same. So of the pairs of runs a few may part."""
    import census_tf as tf_side
    scratch = scratch_dir()
    differences = []
    for seed in range(1, 5):
        first = scratch / f"first-{seed}"
        tf_side.train(tf_side.estimator(str(first), seed), TRAIN, 1)
        for start in range(2):
            weights, theirs, ours = (scratch / f"{of}-{seed}-{start}" for of in ("weights", "tensorflow", "dime"))
            tf_side.perturb_checkpoint(first, 0, weights, seed=start)
            tf_side.copy_checkpoint(weights, 0, theirs)
            est = tf_side.estimator(str(theirs), seed)
            tf_side.train(est, TRAIN, 1000)
            expected = tf_side.evaluate(est, TEST)["auc"]
            tf_side.copy_checkpoint(weights, 0, ours)
            found = dime.train(ours, own=["--order", "as-read"], train_files=TRAIN, eval_files=TEST, train_steps=1000,
                               eval_steps=0)["metrics"]["auc"]
            print(f"seed {seed}, start {start}: AUC {found:.4f}, TensorFlow's {expected:.4f}", flush=True)
            differences.append(found - expected)
    median = statistics.median(map(abs, differences))
    check(median <= .0005, f"median difference of {len(differences)} AUCs {median:.5f}")
    mean = statistics.mean(differences)
    check(abs(mean) <= .003, f"mean difference {mean:+.5f}")


def own_seeds(dime):
    scratch = scratch_dir()
    runs = [metrics_of(dime, scratch / str(seed), seed, train_steps=1000) for seed in range(1, 33)]
    accuracy = statistics.mean(run["accuracy"] for run in runs)
    auc = statistics.mean(run["auc"] for run in runs)
    check(accuracy >= .849, f"mean accuracy of 32 seeds {accuracy:.4f}")
    check(auc >= .900, f"mean AUC of 32 seeds {auc:.4f}")


def tensorflow_ten_epochs(seed):
    """In a process of its own: two at a time use both cores."""
    code = f"""
import census_tf as t, tempfile
est = t.estimator(tempfile.mkdtemp(prefix="dime-interop-"), {seed})
est.train(t.input_fn({TRAIN!r}, 40, shuffle_seed={seed}, epochs=10))
m = t.evaluate(est, {TEST!r})
print(m["accuracy"], m["auc"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600,
                          cwd=__file__.rsplit("/", 1)[0])
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return tuple(map(float, done.stdout.split()))


def ten_epochs(dime):
    seeds = range(1, 17)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        theirs = list(pool.map(tensorflow_ten_epochs, seeds))
    scratch = scratch_dir()
    ours = [metrics_of(dime, scratch / str(seed), seed, num_epochs=10) for seed in seeds]
    for index, name in enumerate(("accuracy", "auc")):
        found = statistics.mean(run[name] for run in ours)
        expected = statistics.mean(run[index] for run in theirs)
        check(found >= expected - .002, f"mean {name} of 16 seeds {found:.4f}, TensorFlow's {expected:.4f}")


def clusters(dime):
    scratch = scratch_dir()
    for consistency in ("sync", "bounded:2", "async"):
        runs = [dime.train(scratch / f"{consistency}-{seed}",
                           own=["--seed", seed, "--scale-tier", "STANDARD_1", "--consistency", consistency],
                           train_files=TRAIN, eval_files=TEST, train_steps=1000, eval_steps=0)["metrics"]["auc"]
                for seed in range(1, 17)]
        told = f"{consistency}: mean AUC of 16 seeds {statistics.mean(runs):.4f}, {min(runs):.4f} to {max(runs):.4f}"
        if consistency == "async":
            print(told)  # Nothing is promised.
        else:
            check(statistics.mean(runs) >= .900, told)


{"same-start": same_start, "own-seeds": own_seeds, "ten-epochs": ten_epochs, "clusters": clusters}[sys.argv[2]](Dime(sys.argv[1]))
