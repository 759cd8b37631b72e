"""An original and the small copy of it that training saw must get the same answer."""

import numpy as np
import pytest

from pneumonia.imaging import decode


@pytest.mark.real
@pytest.mark.timeout(900)  # 210 films through the network: 20 s alone, minutes where others compute
def test_an_original_and_its_small_copy_get_the_same_answer(real_data, shipped) -> None:
    threshold = shipped.operating_point.threshold
    originals = sorted((real_data / "originals").glob("*/*"))
    assert len(originals) > 100
    probabilities = []
    for path in originals:
        copy = real_data / "kermany" / "train" / path.parent.name / path.name
        radiographs = [decode(file.read_bytes()) for file in (path, copy)]
        probabilities.append([f.probability for f in shipped.read(shipped.examine(radiographs))])
    original, small = np.array(probabilities).T
    assert np.median(np.abs(original - small)) < 0.02
    crossed = [
        path.name
        for path, a, b in zip(originals, original, small, strict=True)
        if (a >= threshold) != (b >= threshold)
    ]
    assert crossed == []
