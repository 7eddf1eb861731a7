"""The classifier: its features, its training, and a record that is what it says."""

import json

import numpy as np
import pytest
import torch

from ddpm_edu import classifier, data, record
from ddpm_edu.classifier import Classifier


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_features_come_before_the_scores():
    judge, x = Classifier().eval(), torch.randn(3, 1, 28, 28)
    features = judge.features(x)
    assert features.shape == (3, 64)
    assert (features >= 0).all()
    scores = features @ judge.to_scores.weight.T + judge.to_scores.bias
    torch.testing.assert_close(judge(x), scores)
    assert torch.equal(judge(x), judge(x))
    judge.train()
    assert not torch.equal(judge(x), judge(x))  # dropout


def test_features_of_many_images_in_parts():
    judge = Classifier().eval()
    images = np.random.default_rng(0).integers(0, 256, (1001, 28, 28), dtype=np.uint8)
    features = classifier.features_of(images, judge)
    assert features.shape == (1001, 64)
    assert features.dtype == np.float64
    for k in (0, 999, 1000):
        x = torch.tensor(images[k] / 127.5 - 1, dtype=torch.float32)[None, None]
        with torch.no_grad():
            np.testing.assert_allclose(features[k], judge.features(x)[0].numpy(), rtol=1e-3, atol=1e-4)


def test_labels_are_where_the_scores_are_highest():
    judge = Classifier().eval()
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    x = torch.from_numpy(data.to_unit_range(images))
    with torch.no_grad():
        judge.to_scores.bias.sub_(judge(x).mean(dim=0))  # so that no label is ahead for all of them
        scores = judge(x)
    labels = classifier.labels_of(images, judge)
    assert labels.tolist() == [max(range(10), key=row.__getitem__) for row in scores.tolist()]
    assert len(set(labels.tolist())) > 3


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An untrained classifier, recorded like the real one; returns the file of its weights."""
    monkeypatch.setattr(record, "find_run", lambda name: tmp_path / name)
    (tmp_path / "classifier").mkdir()
    weights = tmp_path / "classifier" / "weights.safetensors"
    record.save_tensors(weights, Classifier().state_dict())
    return weights


def test_a_classifier_that_does_not_fit(shelf):
    record.save_tensors(shelf, {"other": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"weights\.safetensors must fit the classifier, but it does not: ") as error:
        classifier.load()
    assert "\n" not in str(error.value)
    record.save_tensors(shelf, Classifier().state_dict())
    (shelf.parent / "metrics.json").write_text(json.dumps({"weights_sha256": record.sha256(shelf)}))
    classifier.load()
    other = Classifier().state_dict()
    other["to_scores.bias"][3] += 1e-6
    record.save_tensors(shelf, other)
    with pytest.raises(
        ValueError, match=r"weights\.safetensors must be those of the run's metrics\.json, with SHA-256 "
    ):
        classifier.load()
    (shelf.parent / "metrics.json").unlink()
    shelf.write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"weights\.safetensors must be a whole safetensors file"):
        classifier.load()
    shelf.unlink()
    with pytest.raises(FileNotFoundError, match=r"weights\.safetensors must be in the run's folder"):
        classifier.load()


def test_the_classifier_learns(tmp_path, monkeypatch):
    train = data._stand_in("train")
    some = data.Digits(train.images[:384], train.labels[:384], "")
    monkeypatch.setattr(data, "mnist", lambda split="train": some)
    told, before = [], torch.get_rng_state()
    metrics = classifier.train(tmp_path / "made" / "here", epochs=4, progress=told.append)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(told) == 4
    assert told[0].startswith("epoch 1 of 4: loss ")
    assert metrics["test_accuracy"] > 0.2  # after twelve steps; chance is 0.1
    assert metrics == json.loads((tmp_path / "made" / "here" / "metrics.json").read_text())
    monkeypatch.setattr(record, "find_run", lambda name: tmp_path / "made" / "here")
    judge = classifier.load()
    assert not judge.training
    with torch.no_grad():
        scores = judge(torch.from_numpy(data.to_unit_range(some.images)))
    assert (scores.argmax(1).numpy() == some.labels).mean() == pytest.approx(metrics["test_accuracy"], abs=0.01)


def test_the_classifier_needs_an_epoch_and_a_folder(tmp_path):
    with pytest.raises(ValueError, match="epochs must be at least 1, but it was 0"):
        classifier.train(tmp_path, epochs=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"directory must be a folder, but '.*file' is or lies in a file"):
        classifier.train(tmp_path / "file")


def test_the_recorded_classifier_reads_real_digits(mnist_folder, monkeypatch):
    monkeypatch.setenv("DDPM_EDU_DATA", str(mnist_folder))
    try:
        record.find_run("classifier")
    except FileNotFoundError:
        pytest.skip("the classifier is not recorded yet")
    judge, test = classifier.load(), data.mnist("test")
    metrics = record.read_metrics(record.find_run("classifier"))
    assert metrics["test_accuracy"] >= 0.993
    with torch.no_grad():
        scores = judge(torch.from_numpy(data.to_unit_range(test.images[:500])))
    assert (scores.argmax(1).numpy() == test.labels[:500]).mean() > 0.98
