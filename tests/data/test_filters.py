from conftest import get_config
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.data import filters
from cvae_jax.data import labels
from cvae_jax.data import pipeline
from cvae_jax.data import vocabulary

VOCABULARY = labels.make_vocabulary(
  ["brass_acoustic_046", "brass_acoustic_0461", "organ_electronic_001"]
)
COLUMNS = {
  "id": np.asarray(["a", "b", "c", "d", "e", "f"]),
  "instrument": np.asarray([0, 0, 1, 1, 2, 2]),
  "family": np.asarray([1, 1, 1, 1, 6, 6]),
  "source": np.asarray([0, 0, 0, 0, 1, 1]),
  "pitch": np.asarray([83, 84, 84, 108, 30, 60]),
  "velocity": np.asarray([25, 50, 75, 100, 127, 25]),
}


@pytest.mark.parametrize(
  "fields,rows",
  [
    # Row 1 is of an instrument and a pitch that are known to be noise.
    ({}, [0, 2, 3, 4, 5]),
    ({"known_faults": True}, [0, 1, 2, 3, 4, 5]),
    ({"families": ("organ",)}, [4, 5]),
    ({"sources": ("acoustic",)}, [0, 2, 3]),
    ({"velocities": (25, 127)}, [0, 4, 5]),
    ({"min_pitch": 60, "max_pitch": 84}, [0, 2, 5]),
    ({"instruments": ("brass_acoustic_046",)}, [0]),
    ({"exclude_instruments": ("brass_acoustic_046", "not_there")}, [2, 3, 4, 5]),
    ({"sources": ("acoustic",), "velocities": (100,)}, [3]),
  ],
)
def test_filters_keep_what_is_asked_for(fields, rows):
  config = get_config("cvae").data.filter
  config.update(fields)
  assert filters.select(COLUMNS, VOCABULARY, config, "train").tolist() == rows


@pytest.mark.parametrize(
  "fields,says",
  [
    ({"families": ("tuba",)}, "data.filter.families must be one of bass, .*'tuba'"),
    ({"instruments": ("x",)}, "data.filter.instruments: 'x' is not"),
    ({"min_pitch": 109}, "selects none of the 6 examples of split 'valid'"),
  ],
)
def test_filters_that_make_no_sense_are_refused(fields, says):
  config = get_config("cvae").data.filter
  config.update(fields)
  with pytest.raises(errors.UserError, match=says):
    filters.select(COLUMNS, VOCABULARY, config, "valid")


def test_a_filter_of_a_label_that_there_is_not_is_refused():
  drums = vocabulary.Vocabulary((vocabulary.Label("kind", vocabulary.NAMES, ("kick", "snare")),))
  columns = {"id": np.asarray(["a", "b"]), "kind": np.asarray([0, 1])}
  config = get_config("cvae").data.filter
  assert filters.select(columns, drums, config, "train").tolist() == [0, 1]
  for fields, name in (({"families": ("organ",)}, "family"), ({"min_pitch": 60}, "pitch")):
    config = get_config("cvae").data.filter
    config.update(fields)
    with pytest.raises(errors.UserError, match=f"needs the label '{name}'"):
      filters.select(columns, drums, config, "train")


def test_a_run_sees_only_the_notes_that_pass(tfds_dir):
  fields = {"data.tfds_dir": tfds_dir, "data.filter.families": ("organ",)}
  config = get_config("cvae", "tiny", **fields).data
  config.exclude_from_eval = ("organ_acoustic_001",)
  data = pipeline.open_data(config)
  organ = labels.FAMILIES.index("organ")
  assert len(data.train) == 36 and set(data.table.columns["family"]) == {organ}
  assert {data.train[i]["family"] for i in range(36)} == {organ}
  names = {data.held_out[i]["id"].rsplit("-", 2)[0] for i in range(len(data.held_out))}
  assert names == {"organ_electronic_001", "organ_synthetic_001"}
  np.testing.assert_array_equal(
    data.train.labels["pitch"], [data.train[i]["pitch"] for i in range(36)]
  )
  config.exclude_from_eval = tuple(f"organ_{s}_001" for s in labels.SOURCES)
  with pytest.raises(errors.UserError, match="exclude_from_eval excludes all"):
    pipeline.open_data(config)
