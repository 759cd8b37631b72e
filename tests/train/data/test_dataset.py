from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from pneumonia.errors import DataError
from pneumonia.imaging import decode
from pneumonia.imaging.preprocess import PreprocessSpec
from tests.inputs import apply
from train.data import manifest
from train.data.dataset import Decoded, RadiographDataset, classes_of
from train.data.manifest import Row
from train.data.sampling import EpochSampler, loader
from train.data.squares import load_squares
from train.recipes.sections import Augmentation

SPEC = PreprocessSpec(size=64, grid=64)


def squares(rows, tmp_path, on_bad_image="stop"):
    said = []
    kept, array = load_squares(
        rows, SPEC.grid, tmp_path / "cache", on_bad_image, said.append, said.append
    )
    return kept, array, said


@pytest.fixture(scope="module")
def rows(radiographs):
    return manifest.load(radiographs).rows


def test_training_and_serving_make_the_same_input_bit_for_bit(rows, tmp_path) -> None:
    kept, array, _ = squares(rows, tmp_path)
    radiographs = RadiographDataset(Decoded.of(kept, array), SPEC)
    for i, row in enumerate(kept):
        served, _ = apply(decode(row.path.read_bytes()).pixels, SPEC)
        trained, target, *_ = radiographs[0, i]
        assert np.array_equal(trained.numpy(), served)
        assert target.item() == (row.label == "PNEUMONIA")


@pytest.mark.real
def test_bit_for_bit_on_real_radiographs_of_any_size(real_data, tmp_path) -> None:
    paths = sorted((real_data / "originals").glob("*/*"))[:6]
    real = [manifest.Row(p.name, p, "train", p.parent.name, p.name) for p in paths]
    kept, array, _ = squares(real, tmp_path)
    radiographs = RadiographDataset(Decoded.of(kept, array), SPEC)
    for i, path in enumerate(paths):
        served, _ = apply(decode(path.read_bytes()).pixels, SPEC)
        assert np.array_equal(radiographs[0, i][0].numpy(), served)


def test_decoding_is_paid_once(rows, tmp_path, monkeypatch) -> None:
    _, first, _ = squares(rows, tmp_path)
    monkeypatch.setattr("train.data.squares.decode", lambda _: pytest.fail("decoded again"))
    _, again, said = squares(rows, tmp_path)
    assert np.array_equal(first, again)
    assert sum(said) == len(rows)


def test_a_changed_radiograph_is_read_again(rows, tmp_path) -> None:
    import shutil
    from dataclasses import replace

    copy = tmp_path / "copy.png"
    shutil.copy(rows[0].path, copy)
    own = [replace(rows[0], path=copy)]
    _, before, _ = squares(own, tmp_path)
    before = before.copy()
    copy.write_bytes(rows[1].path.read_bytes())
    _, after, _ = squares(own, tmp_path)
    assert not np.array_equal(before, after)


class TestABrokenRadiograph:
    @pytest.fixture
    def broken(self, rows, tmp_path):
        path = tmp_path / "IM-9999-0001.png"
        path.write_bytes(rows[0].path.read_bytes()[:300])
        bad = manifest.Row("train/NORMAL/IM-9999-0001.png", path, "train", "NORMAL", "IM-9999")
        return (rows[0], bad, rows[1])

    def test_stops_and_names_the_file(self, broken, tmp_path) -> None:
        with pytest.raises(
            DataError, match=r"1 films cannot be read, the first train/NORMAL/IM-9999"
        ):
            squares(broken, tmp_path)

    def test_or_is_skipped_and_named(self, broken, tmp_path) -> None:
        kept, array, said = squares(broken, tmp_path, "skip")
        assert [row.file for row in kept] == [broken[0].file, broken[2].file]
        assert len(array) == 2
        skipped = next(text for text in said if isinstance(text, str))
        assert skipped.startswith("skipped train/NORMAL/IM-9999-0001.png: ")


def test_an_epoch_is_an_order_that_the_seed_decides() -> None:
    sampler = EpochSampler(20, seed=3)
    first = list(sampler)
    assert sorted(index for _, index in first) == list(range(20))
    assert first == list(EpochSampler(20, seed=3))
    sampler.epoch = 1
    assert [index for _, index in sampler] != [index for _, index in first]


def test_a_radiograph_is_another_each_epoch_and_the_same_each_time(rows, tmp_path) -> None:
    kept, array, _ = squares(rows, tmp_path)
    radiographs = RadiographDataset(
        Decoded.of(kept, array), SPEC, Augmentation(rotation_degrees=10, noise=0.1), seed=1
    )
    assert torch.equal(radiographs[0, 5][0], radiographs[0, 5][0])
    assert not torch.equal(radiographs[0, 5][0], radiographs[1, 5][0])


def test_workers_change_nothing(rows, tmp_path) -> None:
    kept, array, _ = squares(rows, tmp_path)
    radiographs = RadiographDataset(
        Decoded.of(kept, array), SPEC, Augmentation(rotation_degrees=10, noise=0.1), seed=1
    )
    batches = [
        torch.cat(
            [x for x, *_ in loader(radiographs, EpochSampler(len(radiographs), 2), 8, workers)]
        )
        for workers in (0, 2)
    ]
    assert torch.equal(*batches)


class TestBalancedEpochs:
    TARGETS = np.array([0] * 4 + [1] * 30)
    STRATA = tuple((int(t), "", "") for t in TARGETS)

    def drawn(self, epoch: int) -> list[int]:
        sampler = EpochSampler(34, 3, self.STRATA, "balanced", 12)
        sampler.epoch = epoch
        return [index for _, index in sampler]

    def test_as_many_of_each_class(self) -> None:
        assert len(EpochSampler(34, 3, self.STRATA, "balanced", 12)) == 12
        assert [self.TARGETS[i] for i in sorted(self.drawn(0))] == [0] * 6 + [1] * 6

    def test_no_radiograph_comes_again_before_its_class_is_through(self) -> None:
        sick = [i for epoch in range(5) for i in self.drawn(epoch) if i >= 4]
        assert sorted(sick) == list(range(4, 34))

    def test_a_small_class_comes_round_again(self) -> None:
        well = [i for epoch in range(2) for i in self.drawn(epoch) if i < 4]
        assert sorted(well) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]

    def test_as_many_of_each_population_and_in_it_of_each_source(self) -> None:
        strata = [(0, "child", "A")] * 9 + [(0, "adult", "B")] * 3 + [(1, "child", "A")] * 20
        strata += [(1, "adult", "B")] * 2 + [(1, "adult", "C")] * 40
        drawn = [strata[i] for _, i in EpochSampler(len(strata), 3, strata, "balanced", 80)]
        assert Counter(drawn) == {
            (0, "child", "A"): 20, (0, "adult", "B"): 20, (1, "child", "A"): 20,
            (1, "adult", "B"): 10, (1, "adult", "C"): 10,
        }  # fmt: skip


class TestOtherSampling:
    TARGETS = np.array([0] * 4 + [1] * 6 + [2] * 9)
    STRATA = tuple((int(t), "", "") for t in TARGETS)

    def drawn(self, sampler: EpochSampler, epoch: int = 0) -> list[int]:
        sampler.epoch = epoch
        indices = [index for _, index in sampler]
        assert len(indices) == len(sampler)
        return indices

    def test_oversampling_takes_of_each_class_as_many_as_the_largest_has(self) -> None:
        drawn = self.drawn(EpochSampler(19, 3, self.STRATA, "oversampling"))
        assert np.bincount(self.TARGETS[drawn]).tolist() == [9, 9, 9]
        assert set(drawn) == set(range(19))

    def test_a_radiograph_that_comes_again_is_seen_in_another_way(self) -> None:
        keys = list(EpochSampler(19, 3, self.STRATA, "oversampling"))
        assert len(set(keys)) == len(keys) == 27
        assert [view for view, _ in EpochSampler(19, 3)] == [0] * 19

    def test_undersampling_chooses_once_as_many_as_the_smallest_has(self) -> None:
        sampler = EpochSampler(19, 3, self.STRATA, "undersampling")
        first, second = self.drawn(sampler), self.drawn(sampler, 1)
        assert np.bincount(self.TARGETS[first]).tolist() == [4, 4, 4]
        assert sorted(first) == sorted(second)
        assert first != second
        other = self.drawn(EpochSampler(19, 4, self.STRATA, "undersampling"))
        assert sorted(first) != sorted(other)

    def test_balanced_without_a_number_draws_as_many_as_there_are(self) -> None:
        drawn = self.drawn(EpochSampler(19, 3, self.STRATA, "balanced"))
        assert np.bincount(self.TARGETS[drawn]).tolist() == [6, 6, 6]

    def test_a_part_of_all_radiographs_goes_through_them_in_turn(self) -> None:
        sampler = EpochSampler(19, 3, self.STRATA, "all", 5)
        drawn = [i for epoch in range(3) for i in self.drawn(sampler, epoch)]
        assert len(set(drawn)) == 15


def test_three_classes_go_by_the_etiology() -> None:
    rows = [
        Row(f"{word}.png", Path(), "train", label, "p", etiology=word)
        for word, label in (
            ("normal", "NORMAL"),
            ("viral", "PNEUMONIA"),
            ("bacterial", "PNEUMONIA"),
        )
    ]
    assert classes_of(rows, ("normal", "bacterial", "viral")).tolist() == [0, 2, 1]
    assert classes_of(rows, ("normal", "pneumonia")).tolist() == [0, 1, 1]


def test_a_radiograph_of_unknown_etiology_is_named() -> None:
    rows = [Row("train/PNEUMONIA/x.png", Path(), "train", "PNEUMONIA", "p")]
    with pytest.raises(DataError, match=r"train/PNEUMONIA/x\.png is not known to be bacterial or"):
        classes_of(rows, ("normal", "bacterial", "viral"))
