"""An imported model computes what Keras computes. Without Keras, the tests are skipped; `make extras` runs them."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqforge as sf
from seqforge.errors import PluginError, RunError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # those of Keras

SYMBOLS = "dab\ncé"


def test_a_missing_library_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "lm.weights.h5").write_bytes(b"")
    with pytest.raises(PluginError, match=r"pip install 'seqforge-core\[keras\]'"):
        import_weights(tmp_path)


def import_weights(folder: Path) -> sf.Run:
    (folder / "lm.toml").write_text(f'weights = "lm.weights.h5"\ncharacters = {SYMBOLS!r}\n'.replace("'", '"'))
    return sf.import_model(folder / "lm.toml", folder / "out")


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ["KERAS_BACKEND"] = "torch"
    return pytest.importorskip("keras", reason="needs pip install keras h5py")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("has_embedding", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_a_model_of_keras_computes_the_same(
    keras: Any, kind: str, has_embedding: bool, bias: bool, tmp_path: Path
) -> None:
    layers, size = keras.layers, len(SYMBOLS)
    first = (
        [keras.Input((None,), dtype="int32"), layers.Embedding(size, 4)]
        if has_embedding
        else [keras.Input((None, size))]
    )
    # Eleven layers, so that the tenth follows the ninth and not the first.
    cells = [getattr(layers, kind)(units, return_sequences=True, use_bias=bias) for units in (5, *[3] * 10)]
    model = keras.Sequential([*first, *cells, layers.TimeDistributed(layers.Dense(size))])
    generator = np.random.default_rng(0)
    model.set_weights([weight + generator.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    model.save_weights(tmp_path / "lm.weights.h5")
    imported = import_weights(tmp_path)
    text = SYMBOLS * 3
    places = np.array([[SYMBOLS.index(character) for character in text]])
    order = [SYMBOLS.index(character) for character in sorted(SYMBOLS)]
    expected = model(places if has_embedding else np.eye(size, dtype="float32")[places]).detach()[0][:, order]
    tokens = torch.from_numpy(imported.vocabulary().encode(text).astype("int64"))[:, None]
    own = imported.model(device="cpu")
    with torch.no_grad():
        found, _ = own(tokens, own.initial_states(1))
    torch.testing.assert_close(found[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_what_has_no_place_in_a_model_is_explained(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    for cells, message in [
        ([layers.GRU(3, reset_after=False, return_sequences=True)], "has reset_after=False"),
        ([layers.LSTM(3, return_sequences=True), layers.GRU(3, return_sequences=True)], "have no order"),
        ([layers.Bidirectional(layers.LSTM(3, return_sequences=True))], "have no order"),
        ([layers.Dense(3)], "0 recurrent modules"),
    ]:
        model = keras.Sequential([keras.Input((None,)), layers.Embedding(6, 4), *cells, layers.Dense(6)])
        model.save_weights(tmp_path / "lm.weights.h5")
        with pytest.raises(RunError, match=message):
            import_weights(tmp_path)
    (tmp_path / "lm.weights.h5").write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"reading .*lm\.toml"):
        import_weights(tmp_path)
