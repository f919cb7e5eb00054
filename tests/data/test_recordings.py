"""Recordings as excerpts, and sounds with labels: what is stored, drawn, held out and left out."""

import os
import tracemalloc

from conftest import get_config
from conftest import one_line
import numpy as np
import pytest
import soundfile

from cvae_jax.audio import files
from cvae_jax.data import data_sets
from cvae_jax.data import pipeline
from cvae_jax.data import store
from cvae_jax.data.folders import audio_folder
from cvae_jax.data.sets import recordings
from cvae_jax.synthesis import passages

RATE = 8_000


def tone(seconds, hz, rate=RATE, level=0.3):
  t = np.arange(round(seconds * rate)) / rate
  return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Files of many rates, lengths, channel counts and formats; some of them cannot be used."""
  made = tmp_path_factory.mktemp("recordings")
  (made / "more").mkdir()
  for i in range(8):
    rate = (8_000, 44_100, 22_050, 11_025)[i % 4]
    audio = tone(2.0 + 0.37 * i, 200 + 50 * i, rate)
    audio += 0.05 * np.random.default_rng(i).normal(size=audio.size).astype(np.float32)
    channels = np.stack([audio, 0.5 * audio], 1) if i % 3 == 0 else audio
    ending = ("wav", "flac", "ogg", "aiff")[i % 4]
    soundfile.write(made / ("more" if i % 2 else ".") / f"take {i}.{ending}", channels, rate)
  soundfile.write(made / "short.wav", tone(0.2, 300), RATE)
  # Half a second of tone, two of silence, and a tone again.
  gap = np.concatenate([tone(0.5, 500), np.zeros(2 * RATE, np.float32), tone(0.5, 500)])
  soundfile.write(made / "gap.wav", gap, RATE)
  soundfile.write(made / "loud.wav", 3.0 * tone(1.0, 400, level=1.0), RATE, subtype="FLOAT")
  soundfile.write(made / "silent.wav", np.zeros(RATE), RATE)
  (made / "broken.wav").write_bytes(b"RIFF")
  (made / "notes.txt").write_text("no audio")
  return made


def data_config(folder, tmp_path, name="recordings", **fields):
  config = get_config("ae", **{"data.name": name}).data
  config.update_from_flattened_dict(
    {"name": name, "dir": str(folder), "tfds_dir": str(tmp_path),
     f"{name}.sample_rate": RATE, f"{name}.duration_s": 0.5, **fields}
  )  # fmt: skip
  return config


def test_sub_folders_are_kinds_where_there_are_any(tmp_path):
  (tmp_path / "drums").mkdir()
  soundfile.write(tmp_path / "a.wav", tone(0.2, 300), RATE)
  entries, vocabulary = recordings.find_entries(str(tmp_path))
  assert vocabulary.names == ("recording",) and entries[0].labels == {"recording": 0}
  soundfile.write(tmp_path / "drums" / "b.wav", tone(0.2, 300), RATE)
  entries, vocabulary = recordings.find_entries(str(tmp_path))
  kinds = vocabulary.get("kind").names
  assert kinds == ("drums", "recording")
  assert [(entry.name, kinds[entry.labels["kind"]]) for entry in entries] == [
    ("a.wav", "recording"), ("drums/b.wav", "drums"),
  ]  # fmt: skip


@pytest.fixture(scope="module")
def data_set(folder, tmp_path_factory):
  return data_sets.load(data_config(folder, tmp_path_factory.mktemp("store")))


def index_of(data_set):
  return store.read_index(data_set.folder)


def test_every_file_is_stored_at_one_rate_or_named(folder, data_set):
  report = {row.file: row for row in store.read_report(data_set.folder)}
  assert len(report) == 13 and "notes.txt" not in report
  assert report["silent.wav"].used == report["broken.wav"].used == "no"
  assert "is silent" in report["silent.wav"].reason
  assert report["loud.wav"].reason == "attenuated"
  assert set(report["more/take 3.aiff"].reason.split()) == {"stereo", "resampled"}
  index = index_of(data_set)
  samples = np.memmap(index.audio_path, "<i2", "r")
  for row, name in enumerate(index.names):
    stored = samples[index.starts[row] : index.starts[row] + index.lengths[row]] / 32768.0
    whole = files.read_clip(str(folder / name), RATE).audio
    assert stored.size == whole.size == pytest.approx(report[name].seconds * RATE, abs=5)
    np.testing.assert_allclose(stored, whole, atol=2.0**-15)
  assert "13 files" in data_set.remark and "11 of" in data_set.remark


def test_excerpts_cover_what_sounds_and_no_more(data_set):
  source = pipeline.open_split(data_set, "train")
  assert source.form.num_samples == RATE // 2 and source.form.is_excerpt
  splits = [pipeline.open_split(data_set, s).labels["id"] for s in store.SPLITS]
  ids = np.concatenate(splits)
  assert len(set(ids)) == len(ids)
  # Of the file with a gap the two ends; the short one once, padded.
  assert [i for i in ids if i.startswith("gap")] == ["gap.wav@0.00", "gap.wav@2.50"]
  assert [i for i in ids if i.startswith("short")] == ["short.wav@0.00"]
  # Held-out files are in one split alone.
  files_of = [{i.rsplit("@", 1)[0] for i in split} for split in splits]
  assert not (files_of[0] & files_of[1]) and not (files_of[0] & files_of[2])
  for i in range(len(source)):
    assert source[i]["audio"].shape == (RATE // 2,) and source[i]["audio"].dtype == np.float32
    assert source.labels["recording"][i] == source[i]["recording"]


def test_where_an_excerpt_begins_is_a_function_of_its_row_and_a_number(data_set):
  source = pipeline.open_split(data_set, "train")
  row = next(
    i for i, name in enumerate(source.labels["id"]) if name.endswith("@0.50") and "take" in name
  )
  drawn = [source.stored(row, seed)["audio"] for seed in range(40)]
  again = [source.stored(row, seed)["audio"] for seed in range(40)]
  for a, b in zip(drawn, again, strict=True):
    np.testing.assert_array_equal(a, b)
  assert len({a.tobytes() for a in drawn}) > 30
  # Each is a piece of its own recording.
  index = index_of(data_set)
  name = source.labels["id"][row].rsplit("@", 1)[0]
  piece = int(np.flatnonzero(index.names == name)[0])
  samples = np.memmap(index.audio_path, "<i2", "r")
  whole = samples[index.starts[piece] : index.starts[piece] + index.lengths[piece]]
  windows = np.lib.stride_tricks.sliding_window_view(np.asarray(whole), RATE // 2)
  starts = [int(np.flatnonzero((windows == a).all(axis=1))[0]) for a in drawn]
  assert min(starts) >= RATE // 2 and max(starts) < RATE and np.ptp(starts) > RATE // 4


def test_batches_are_exact_on_resume_and_over_processes(data_set, folder, tmp_path, monkeypatch):
  config = data_config(folder, tmp_path)
  source = pipeline.open_split(data_set, "train")
  plain = pipeline.make_train_iterator(source, config, 4, seed=7)
  first = [next(plain) for _ in range(12)]  # Past the end of an epoch or two.
  state = plain.get_state()
  wanted = [next(plain) for _ in range(3)]
  resumed = pipeline.make_train_iterator(source, config, 4, seed=7)
  resumed.set_state(state)
  for batch in wanted:
    np.testing.assert_array_equal(next(resumed)["audio"], batch["audio"])
  # Two processes have a half each of the same global batch.
  halves = []
  for process in range(2):
    monkeypatch.setattr(pipeline.jax, "process_count", lambda: 2)
    monkeypatch.setattr(pipeline.jax, "process_index", lambda process=process: process)
    halves.append(next(pipeline.make_train_iterator(source, config, 4, seed=7))["audio"])
  np.testing.assert_array_equal(np.concatenate(halves), first[0]["audio"])
  # The next time a row comes it is another excerpt.
  by_row: dict[int, list[bytes]] = {}
  for batch in first:
    for row, audio in zip(batch["row"], batch["audio"], strict=True):
      by_row.setdefault(int(row), []).append(audio.tobytes())
  twice = [seen for seen in by_row.values() if len(seen) > 1]
  assert twice and any(len(set(seen)) > 1 for seen in twice)
  config.device_cache = True
  with pytest.raises(Exception) as error:
    pipeline.make_train_iterator(source, config, 4, seed=7)
  assert "device_cache" in one_line(error)


def test_one_file_is_split_by_time(tmp_path):
  (tmp_path / "one").mkdir()
  soundfile.write(tmp_path / "one" / "long.wav", tone(20.0, 300), RATE)
  data_set = data_sets.load(data_config(tmp_path / "one", tmp_path / "store"))
  assert data_set.splits == {"train": 32, "valid": 4, "test": 4}
  index = index_of(data_set)
  assert index.starts.tolist() == [0, 16 * RATE, 18 * RATE] and index.splits.tolist() == [0, 1, 2]


def test_a_store_is_made_once_and_anew_where_it_is_damaged(folder, tmp_path, monkeypatch):
  config = data_config(folder, tmp_path)
  first = data_sets.load(config)
  made = os.stat(os.path.join(first.folder, "audio.int16")).st_mtime_ns
  monkeypatch.setattr(store.files, "read_parts", lambda *a: pytest.fail("it is read again"))
  again = data_sets.load(config)
  assert again.folder == first.folder and again.splits == first.splits
  assert os.stat(os.path.join(first.folder, "audio.int16")).st_mtime_ns == made
  monkeypatch.undo()
  with open(os.path.join(first.folder, "audio.int16"), "r+b") as f:
    f.truncate(1000)  # As of a copy that broke off.
  assert data_sets.load(config).splits == first.splits
  assert os.path.getsize(os.path.join(first.folder, "audio.int16")) > 1000
  assert not [name for name in os.listdir(tmp_path / "recordings") if "incomplete" in name]


def test_memory_does_not_grow_with_the_recording(tmp_path):
  (tmp_path / "long").mkdir()
  path = tmp_path / "long" / "hours.wav"
  with soundfile.SoundFile(path, "w", 16_000, 2, "PCM_16") as f:
    for i in range(8):
      minute = tone(60.0, 200 + i, 16_000)
      f.write(np.stack([minute, minute], 1))
  tracemalloc.start()
  data_set = data_sets.load(data_config(tmp_path / "long", tmp_path / "store"))
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert sum(data_set.splits.values()) == 960 and peak < 30e6  # All of it is 61 MB as float32.


@pytest.mark.parametrize(
  "fields,says",
  [
    ({"dir": "/nowhere"}, "data.dir /nowhere is not a folder"),
    ({"recordings.sample_rate": 0}, "data.recordings.sample_rate must be 1000-384000 Hz, got 0"),
    ({"recordings.duration_s": 0.0}, "data.recordings.duration_s must be over 0"),
    ({"recordings.duration_s": float("nan")}, "data.recordings.duration_s must be over 0"),
    ({"recordings.silence_db": 3.0}, "has no excerpt of 0.5 s that is louder than"),
    ({"name": "recordings/x"}, "recordings has no variants, got 'x'"),
  ],
)
def test_what_makes_no_recordings_is_one_line(folder, tmp_path, fields, says):
  config = data_config(folder, tmp_path)
  config.update_from_flattened_dict(fields)
  with pytest.raises(Exception) as error:
    data_sets.load(config)
  assert says in one_line(error)


def test_a_folder_without_audio_and_one_without_usable_audio_are_named(tmp_path):
  (tmp_path / "none").mkdir()
  with pytest.raises(Exception) as error:
    data_sets.load(data_config(tmp_path / "none", tmp_path / "store"))
  assert "holds no audio file" in one_line(error)
  (tmp_path / "none" / "a.wav").write_bytes(b"RIFF")
  with pytest.raises(Exception) as error:
    data_sets.load(data_config(tmp_path / "none", tmp_path / "store"))
  assert "no file can be used; the first: " in one_line(error) and "a.wav" in one_line(error)
  assert not [n for n in os.listdir(tmp_path / "store" / "recordings") if not n.endswith("lock")]


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
  """Drum hits in folders by kind, with a table of the kit that each is from."""
  made = tmp_path_factory.mktemp("drums")
  rows = ["File;Kind ;Kit;loudness"]
  rng = np.random.default_rng(0)
  for kind, hz in (("kick", 60), ("snare", 300), ("tom", 120)):
    (made / kind).mkdir()
    for i in range(20):
      decay = np.exp(-np.arange(round((0.1 + 0.05 * i) * 44_100)) / 4_000)
      noise = 0.1 * rng.normal(size=decay.size) if kind == "snare" else 0.0
      audio = decay * (np.sin(2 * np.pi * hz * np.arange(decay.size) / 44_100) + noise) * 0.4
      soundfile.write(made / kind / f"{i}.flac", audio, 44_100)
      rows.append(f"{kind}\\{i}.flac; {kind};kit {i % 10};{i}")
  (made / "labels.csv").write_text("\n".join(rows))
  return made


def test_sounds_have_the_kind_of_their_folder(kit, tmp_path):
  data_set = data_sets.load(data_config(kit, tmp_path, "sounds"))
  assert data_set.vocabulary.names == ("kind",)
  assert data_set.vocabulary.get("kind").names == ("kick", "snare", "tom")
  assert data_set.splits == {"train": 48, "valid": 6, "test": 6}
  source = pipeline.open_split(data_set, "valid")
  assert np.bincount(source.labels["kind"]).tolist() == [2, 2, 2]
  assert source[0]["audio"].shape == (RATE // 2,) and not source.is_random
  np.testing.assert_array_equal(source.stored(0, 5)["audio"], source.stored(0)["audio"])
  name = source.labels["id"][3]
  kind = data_set.vocabulary.get("kind").names[source.labels["kind"][3]]
  assert name.startswith(f"{kind}/")
  own = files.read_note(str(kit / name), RATE // 2, RATE).audio
  np.testing.assert_allclose(source[3]["audio"], own, atol=2.0**-14)


def test_a_table_says_labels_and_what_is_held_out_together(kit, tmp_path):
  fields = {"sounds.labels": "labels.csv", "sounds.held_out": "kit", "sounds.columns": ("kind",)}
  data_set = data_sets.load(data_config(kit, tmp_path, "sounds", **fields))
  kits = {}
  for split in store.SPLITS:
    source = pipeline.open_split(data_set, split)
    assert np.bincount(source.labels["kind"]).tolist() == [len(source) // 3] * 3
    kits[split] = {int(name.split("/")[1].split(".")[0]) % 10 for name in source.labels["id"]}
  assert len(kits["train"]) == 8 and not (
    kits["train"] & kits["valid"] | kits["train"] & kits["test"]
  )
  both = data_sets.load(
    data_config(kit, tmp_path, "sounds", **{**fields, "sounds.columns": ("kit", "kind")})
  )
  assert both.vocabulary.names == ("kit", "kind") and both.folder != data_set.folder


@pytest.mark.parametrize(
  "fields,says",
  [
    ({"sounds.labels": "none.csv"}, "none.csv cannot be read"),
    (
      {"sounds.labels": "labels.csv", "sounds.columns": ("colour",)},
      "has no column 'colour': it has",
    ),
    ({"sounds.labels": "labels.csv", "sounds.columns": ()}, "data.sounds.columns must name"),
    ({"sounds.labels": "labels.csv", "sounds.held_out": "kind", "sounds.columns": ("kit",)}, None),
  ],
)
def test_tables_that_do_not_fit_are_one_line(kit, tmp_path, fields, says):
  config = data_config(kit, tmp_path, "sounds", **fields)
  if says is None:
    assert set(data_sets.load(config).splits) == set(store.SPLITS)
    return
  with pytest.raises(Exception) as error:
    data_sets.load(config)
  assert says in one_line(error)


def test_groups_are_held_out_with_the_classes_of_all():
  rng = np.random.default_rng(1)
  groups = [f"kit {i}" for i in range(30) for _ in range(20)]
  classes = [f"kind {k}" for k in rng.choice(6, 600, p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05])]
  of = audio_folder.split_groups(groups, classes)
  shares = {}
  for split in store.SPLITS:
    own = [c for g, c in zip(groups, classes, strict=True) if of[g] == split]
    shares[split] = {k: own.count(k) / len(own) for k in set(classes)}
    assert len(own) / 600 == pytest.approx(0.8 if split == "train" else 0.1, abs=0.04)
  for kind in set(classes):
    for split in ("valid", "test"):
      assert shares[split][kind] == pytest.approx(shares["train"][kind], abs=0.08)


class Half:
  """A stand-in for a run: half of what comes in, with the beginning and the end of each faded."""

  def __init__(self, size):
    self.form = pipeline.forms.Waveform(RATE, size, is_excerpt=True)
    self.sample_rate, self.params, self.method = RATE, None, self
    self.can_reconstruct = True

  def reconstruct(self, params, batch, rng):
    return 0.5 * batch["audio"]


@pytest.mark.parametrize("length", [1, 399, 400, 401, 700, 1000, 12_345])
@pytest.mark.parametrize("block", [100, 5000])
def test_excerpts_of_a_passage_are_put_together_without_a_seam(length, block):
  audio = np.random.default_rng(0).uniform(-1, 1, length).astype(np.float32)
  blocks = iter([audio[i : i + block] for i in range(0, length, block)])
  made = np.concatenate(list(passages.reconstruct(Half(400), blocks, {})))
  np.testing.assert_allclose(made, 0.5 * audio, atol=1e-6)
