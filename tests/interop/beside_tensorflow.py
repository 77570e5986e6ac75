"""What tests share that train the same model by dime and by TensorFlow: comparing checkpoints, metrics and exports."""
import os
import pathlib
import shutil

from harness import check

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.get_logger().setLevel("ERROR")


def make_estimator(model_dir, kind, linear, deep, dnn_optimizer, linear_optimizer, **more):
    """TensorFlow's canned estimator of two hidden layers, whose parts take these columns."""
    v1 = tf.compat.v1
    args = dict(model_dir=str(model_dir), loss_reduction=v1.losses.Reduction.SUM_OVER_BATCH_SIZE, **more)
    if kind.startswith("Linear"):
        args.update(feature_columns=linear, optimizer=linear_optimizer)
    elif "Combined" in kind:
        args.update(linear_feature_columns=linear, dnn_feature_columns=deep, dnn_hidden_units=[6, 4],
                    dnn_optimizer=dnn_optimizer, linear_optimizer=linear_optimizer)
    else:
        args.update(feature_columns=deep, hidden_units=[6, 4], optimizer=dnn_optimizer)
    return getattr(v1.estimator, kind)(**args)


def check_same_variables(ours, theirs, what):
    ours, theirs = (tf.train.load_checkpoint(str(path)) for path in (ours, theirs))
    shapes = theirs.get_variable_to_shape_map()
    if ours.get_variable_to_shape_map() != shapes:
        raise AssertionError(f"{what}: {sorted(ours.get_variable_to_shape_map())} are not {sorted(shapes)}")
    for name in shapes:
        # 34 steps of float rounding, in another order of sums.
        np.testing.assert_allclose(ours.get_tensor(name), theirs.get_tensor(name), atol=2e-5, rtol=2e-4, err_msg=name)
    check(True, f"{what}: all {len(shapes)} variables and slots are TensorFlow's")


def check_same_metrics(ours, theirs, what):
    theirs.pop("global_step")
    if sorted(ours) != sorted(theirs):
        raise AssertionError(f"{what}: {sorted(ours)} are not {sorted(theirs)}")
    for name in ours:
        # Areas and rates move by one example when a probability lies within rounding of a threshold.
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=3e-3 if "loss" not in name else 0,
                                   err_msg=name)
    check(True, f"{what}: both score {', '.join(f'{name} {value:.4f}' for name, value in sorted(ours.items()))}")


def copy_checkpoint(from_dir, step, to_dir):
    os.makedirs(to_dir)
    for suffix in ("index", "data-00000-of-00001"):
        shutil.copy(f"{from_dir}/model.ckpt-{step}.{suffix}", to_dir)
    (to_dir / "checkpoint").write_text(f'model_checkpoint_path: "model.ckpt-{step}"\n')


def check_export(export_dir, predictions, what):
    """TensorFlow runs dime's SavedModel on the lines of the file: what its own estimator predicts with those weights."""
    model = tf.saved_model.load(export_dir)
    lines = tf.constant((pathlib.Path(export_dir).parents[3].parent / "rows.csv").read_text().splitlines()[1:])
    outputs = {name: signature(lines) for name, signature in model.signatures.items()}
    for key in outputs["predict"]:
        ours, theirs = outputs["predict"][key].numpy(), np.array([p[key] for p in predictions])
        if ours.dtype.kind == "f":
            np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-5, err_msg=key)
        else:
            check(np.mean(ours == theirs) > 0.99, f"{what}: {key} are TensorFlow's")
    default, regression = outputs["serving_default"], outputs.get("regression")
    if "predictions" in outputs["predict"]:
        check(np.array_equal(default["outputs"], outputs["predict"]["predictions"]), f"{what}: serving_default regresses")
    else:
        check(np.array_equal(default["scores"], outputs["predict"]["probabilities"]), f"{what}: serving_default classifies")
        check((regression is not None) == ("logistic" in outputs["predict"]), f"{what}: two classes regress, too")
    check(True, f"{what}: TensorFlow runs the export")
