from conftest import one_line
import numpy as np
import pytest

from cvae_jax.data import labels
from cvae_jax.data import vocabulary

DRUMS = vocabulary.Vocabulary(
  (
    vocabulary.Label("kind", vocabulary.NAMES, ("kick", "snare", "tom")),
    vocabulary.Label("hardness", vocabulary.NUMBER, low=1, high=5),
    vocabulary.Label("tags", vocabulary.FLAGS, ("dry", "gated")),
    vocabulary.Label("file", vocabulary.NAMES, ("a.wav", "b.wav"), open_set=True),
  )
)


def test_a_vocabulary_survives_its_text():
  for made in (DRUMS, labels.make_vocabulary(["a", "b"]), vocabulary.Vocabulary()):
    assert vocabulary.from_json(made.to_json()) == made
  for text in ("[1]", "{}", '[{"name": "x"}]', "no", '[{"name": "x", "kind": "names"}]'):
    with pytest.raises(ValueError):
      vocabulary.from_json(text) if text != "{}" else vocabulary.from_json("[[]]")


def test_what_a_classifier_and_a_map_can_use():
  assert DRUMS.main.name == "kind" and DRUMS.classes == {"kind": 3}
  notes = labels.make_vocabulary(["a"])
  assert notes.main.name == "family"
  assert notes.classes == {"pitch": 128, "family": 11, "source": 3}
  files = vocabulary.Vocabulary(DRUMS.labels[3:])
  assert files.main.name == "file" and files.classes == {}
  assert vocabulary.Vocabulary().main is None


@pytest.mark.parametrize(
  "value,right", [(3, 3), (5.0, 5), ("2", 2), (2.5, None), (0, None), (6, None), (np.nan, None),
                  ("x", None), (None, None), (np.inf, None)],
)  # fmt: skip
def test_numbers_lie_in_their_range(value, right):
  label = DRUMS.get("hardness")
  if right is not None:
    assert label.parse_number(value) == right
    return
  with pytest.raises(Exception) as error:
    label.parse_number(value)
  assert one_line(error).startswith("hardness must be ")


def test_softened_labels_can_be_mixed_and_say_the_same():
  columns = {
    "kind": np.asarray([2, -1]), "hardness": np.asarray([3, 1]),
    "tags": np.asarray([[1, 0], [0, 0]]), "file": np.asarray([1, 0]),
  }  # fmt: skip
  soft = DRUMS.soften(columns)
  np.testing.assert_array_equal(soft["kind"], [[0, 0, 1], [0, 0, 0]])  # Unknown: no weight.
  assert soft["hardness"].dtype == np.float32 and soft["file"].tolist() == [1, 0]
  assert DRUMS.soften(soft)["kind"] is not columns["kind"]
  np.testing.assert_array_equal(DRUMS.soften(soft)["kind"], soft["kind"])


def test_values_have_words():
  kind, tags = DRUMS.get("kind"), DRUMS.get("tags")
  assert kind.text_of(1) == "snare" and kind.text_of(-1) == "any"
  assert kind.text_of(np.asarray([0.75, 0.25, 0])) == "kick75-snare25"
  assert tags.text_of(np.asarray([1, 1])) == "dry+gated" and tags.text_of([0, 0]) == "none"
  assert DRUMS.get("hardness").text_of(4) == "4"
  with pytest.raises(Exception) as error:
    DRUMS.get("colour", "condition.labels")
  assert one_line(error) == (
    "condition.labels must be one of kind, hardness, tags, file, got 'colour'"
  )
