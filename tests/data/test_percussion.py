"""The percussion keys of General MIDI as drums."""

from cvae_jax.data import drums
from cvae_jax.data import general_midi
from cvae_jax.data import percussion
from cvae_jax.data.folders import drum_names

KEYS = percussion.KEYS


def test_every_key_has_a_kind_and_every_kind_a_key():
  assert list(KEYS) == list(range(35, 82))
  assert {key.kind for key in KEYS.values()} == set(drums.KINDS)
  assert sorted(percussion.PREFERRED) == list(KEYS)
  for number, key in KEYS.items():
    assert key.kind == general_midi.PERCUSSION.get(number, "percussion")


def test_names_tell_the_kinds():
  # The rules that read folders of drums know nothing of keys.
  for key in KEYS.values():
    assert drum_names.find_kind([key.name]) in (key.kind, None), key


def test_keys_of_one_drum_are_of_one_kind_and_tuned_apart():
  for key in KEYS.values():
    assert KEYS[key.drum].kind == key.kind and KEYS[key.drum].semitones == 0.0
    same = [other.semitones for other in KEYS.values() if other.drum == key.drum]
    assert len(set(same)) == len(same)
  toms = sorted((key.key, key.semitones) for key in KEYS.values() if key.kind == "tom")
  assert [semitones for _, semitones in toms] == sorted(semitones for _, semitones in toms)


def test_hats_choke_each_other():
  assert KEYS[42].choke == KEYS[44].choke == KEYS[46].choke != 0
  assert KEYS[36].choke == 0 and KEYS[80].choke == KEYS[81].choke != KEYS[42].choke
