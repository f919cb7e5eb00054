import gc
import importlib.metadata
import multiprocessing
import os
import pathlib
import runpy
import shutil
import subprocess
import sys
import tempfile

# The shapes in the signatures of audio/ and of the losses are checked whenever a test calls them.
import jaxtyping

jaxtyping.install_import_hook(
  ["cvae_jax.audio", "cvae_jax.methods.common.losses"], "beartype.beartype"
)

# Most of the tests' time is XLA's compiler, which makes the same functions sooner without its
# costly passes, in one piece where every worker has a core of its own, and by its older emitters
# while it has them. (Level 0 is no use: it makes NaNs of sound gradients.)
_XLA_FLAGS = [
  "--xla_backend_optimization_level=1",
  "--xla_llvm_disable_expensive_passes=true",
  "--xla_cpu_parallel_codegen_split_count=1",
]
if importlib.metadata.version("jaxlib").startswith("0.10."):  # Others end at a flag of no use.
  _XLA_FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(_XLA_FLAGS))

import filelock  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from cvae_jax import evaluate  # noqa: E402
from cvae_jax import methods  # noqa: E402
from cvae_jax.audio import files  # noqa: E402
from cvae_jax.core import cli  # noqa: E402
from cvae_jax.core import config as config_lib  # noqa: E402
from cvae_jax.core import errors  # noqa: E402
from cvae_jax.core import lazy_librosa  # noqa: E402
from cvae_jax.data import labels  # noqa: E402
from cvae_jax.data import notes  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures" / "nsynth"

# What JAX traces and keeps is millions of objects, among which there is next to no garbage: looking
# for it at Python's usual pace took a third of the tests' time.
gc.set_threshold(100_000, 50, 100)
lazy_librosa.load()  # The tests import librosa too, each worker for itself.
cli.set_up()
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


def pytest_xdist_auto_num_workers(config):
  """Half as many workers again as there are cores: a test waits for processes, pages and disks."""
  del config
  return 3 * (os.cpu_count() or 1) // 2


def get_config(name, variant="", **overrides):
  """A config of configs/, with fields by dotted name: get_config('cvae', **{'train.steps': 2})."""
  parts = [
    f"{s}={overrides.pop(f'{s}.name')}" for s in config_lib.SECTIONS if f"{s}.name" in overrides
  ]
  config = config_lib.load(f"{ROOT}/configs/{name}.py:{','.join([*parts, variant])}")
  config.update_from_flattened_dict(overrides)
  return config


# Of a run that is over in a moment and measures nothing. Its schedule does not know where it ends,
# so that runs of any length are compiled once for all tests.
SHORT = {
  "train.steps": 4, "train.log_every_steps": 1, "optimizer.schedule": "constant",
  "eval.every_steps": 1000, "checkpoint.every_steps": 2, "eval.baselines": False,
  "eval.pitch_notes": 0, "eval.sample_notes": 0, "method.prior": "standard",
}  # fmt: skip


def make_method(config, instruments=8, **settings):
  """The method of a config on notes of so many instruments."""
  vocabulary = labels.make_vocabulary([f"instrument_{i}" for i in range(instruments)])
  return methods.make_method(config, labels.FORM, vocabulary, **settings)


def labels_of(batch):
  """A batch's labels, asking for draws at temperature 1."""
  chosen = {name: batch[name] for name in notes.BATCH_LABELS}
  return methods.at_temperature(chosen, len(batch["pitch"]))


def example_batch(num=2):
  """A silent batch, for the shapes of a batch alone."""
  zeros = {name: np.zeros(num, np.int32) for name in notes.BATCH_LABELS}
  zeros["qualities"] = np.zeros((num, len(labels.QUALITIES)), np.float32)
  return {**zeros, "audio": np.zeros((num, labels.NUM_SAMPLES), np.float32)}


def flip(path):
  """Turns a byte in the middle of a file over."""
  with open(path, "r+b") as f:
    f.seek(os.path.getsize(path) // 2)
    byte = f.read(1)
    f.seek(-1, os.SEEK_CUR)
    f.write(bytes([byte[0] ^ 0xFF]))


# Processes of their own, of one that has imported all and begun nothing.
SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload(["conftest", "cvae_jax.training.loop"])


def redirect(stdout, stderr):
  """Sends what this process says to files."""
  for descriptor, path in ((1, stdout), (2, stderr)):
    with open(path, "a") as f:
      os.dup2(f.fileno(), descriptor)


def _run_command(module, arguments, env, before, stdout, stderr):
  redirect(stdout, stderr)
  if before:
    before()
  os.chdir(ROOT)
  os.environ.update({"GLIBC_TUNABLES": "glibc.malloc.arena_max=1", **env})
  sys.argv = [module, *arguments]
  runpy.run_module(module, run_name="__main__", alter_sys=True)


def run_module(module, *args, env=None, before=None):
  """Does as `python -m module args` does from the repository's root, in a forked process.

  Its imports are done, which is most of what a short command takes. `before` is called there first.

  Returns:
    The finished process, with text; `run_python` starts a real one.
  """
  arguments = [str(argument) for argument in args]
  with tempfile.TemporaryDirectory() as scratch:
    outputs = [os.path.join(scratch, name) for name in ("stdout", "stderr")]
    process = SPAWN.Process(
      target=_run_command, args=(module, arguments, env or {}, before, *outputs), daemon=True
    )
    process.start()
    process.join(300)
    if process.exitcode is None:
      process.kill()
      raise subprocess.TimeoutExpired([module, *arguments], 300)
    said = (pathlib.Path(path).read_text() for path in outputs)
    return subprocess.CompletedProcess([module, *arguments], process.exitcode, *said)


def run_python(*args, env=None):
  """Runs `python args` from the repository's root; the finished process, with text."""
  return subprocess.run(
    [sys.executable, *map(str, args)],
    cwd=ROOT,
    env={**os.environ, **(env or {})},
    capture_output=True,
    text=True,
    timeout=300,
    check=False,
  )


def one_line(error: pytest.ExceptionInfo) -> str:
  """The message of a UserError, which must be a single line."""
  assert issubclass(error.type, errors.UserError)
  message = str(error.value)
  assert message and "\n" not in message
  return message


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory, worker_id):
  """A directory of this session, which all of its workers have in common."""
  base = tmp_path_factory.getbasetemp()
  shared = (base if worker_id == "master" else base.parent) / "shared"
  shared.mkdir(exist_ok=True)
  return shared


@pytest.fixture(scope="session")
def tfds_dir(shared_dir):
  """Where data sets are prepared, once a session."""
  return str(shared_dir / "tfds")


@pytest.fixture(scope="session")
def real_note():
  """A real guitar note ([64000])."""
  path = sorted((FIXTURES / "nsynth-train" / "audio").glob("guitar*.flac"))[0]
  return files.read_note(str(path), 64_000, 16_000).audio


@pytest.fixture(scope="session")
def real_batch():
  """Eight real notes of eight families."""
  paths = sorted((FIXTURES / "nsynth-train" / "audio").glob("*.flac"))[1::4][:8]
  names = [path.stem.split("_") for path in paths]
  numbers = [list(map(int, path.stem.split("-")[1:])) for path in paths]
  return {
    "audio": np.stack([files.read_note(str(p), 64_000, 16_000).audio for p in paths]),
    "pitch": np.asarray([n[0] for n in numbers]),
    "velocity": np.asarray([n[1] for n in numbers]),
    "family": np.asarray([labels.FAMILIES.index(n[0]) for n in names]),
    "source": np.asarray([labels.SOURCES.index(n[1]) for n in names]),
    "instrument": np.arange(8),
    "qualities": np.zeros((8, 10)),
  }


@pytest.fixture(scope="session")
def tiny_run(shared_dir, tfds_dir):
  """The workdir of a finished run of configs/cvae.py:tiny, which tests only read."""
  from cvae_jax.training import loop

  workdir = shared_dir / "cvae"
  with filelock.FileLock(shared_dir / "cvae.lock"):
    if not (workdir / evaluate.RESULTS).exists():
      loop.train_and_evaluate(
        get_config("cvae", "tiny", **{"data.tfds_dir": tfds_dir}), str(workdir)
      )
  return str(workdir)


def sing(seconds, low_hz, high_hz, rate=16_000):
  """A tone with harmonics and vibrato that glides and swells, and rests for its last tenth."""
  t = np.arange(round(seconds * rate)) / rate
  hz = low_hz * (high_hz / low_hz) ** (t / seconds) * 2 ** (0.03 * np.sin(2 * np.pi * 5 * t))
  phase = 2 * np.pi * np.cumsum(hz) / rate
  tone = sum(np.sin(k * phase) / k**2 for k in range(1, 8))
  swell = 0.05 + 0.2 * np.sin(np.pi * t / seconds) ** 2
  return (tone * swell * (t < 0.9 * seconds)).astype(np.float32)


@pytest.fixture(scope="session")
def takes(shared_dir):
  """A folder of three takes that are sung."""
  import soundfile

  folder = shared_dir / "takes"
  with filelock.FileLock(shared_dir / "takes.lock"):
    if not (folder / "take2.wav").exists():
      folder.mkdir(exist_ok=True)
      for i, (low, high) in enumerate([(300, 600), (500, 250), (400, 700)]):
        soundfile.write(folder / f"take{i}.wav", sing(3.0 + i, low, high), 16_000)
  return folder


def of_takes(takes, tfds_dir):
  """Fields of a short run on takes, of which the first is held out."""
  return {
    **{k: v for k, v in SHORT.items() if k != "method.prior"},
    "data.dir": str(takes), "data.tfds_dir": str(tfds_dir),
    "data.recordings.held_out": ("take0*",), "data.recordings.duration_s": 0.5,
    "data.recordings.sample_rate": 16_000,
    "train.batch_size": 4, "eval.batch_size": 4, "eval.sample_notes": 1,
  }  # fmt: skip


def make_run(shared_dir, name, make_config):
  """The workdir of a finished run, trained once by whichever worker is first."""
  from cvae_jax.training import loop

  workdir = shared_dir / name
  with filelock.FileLock(shared_dir / f"{name}.lock"):
    if not (workdir / evaluate.RESULTS).exists():
      loop.train_and_evaluate(make_config(), str(workdir))
  return workdir


@pytest.fixture(scope="session")
def ddsp_run(shared_dir, takes):
  """The workdir of a finished run of configs/ddsp_solo.py:tiny on the takes."""
  fields = {**of_takes(takes, shared_dir / "ddsp_tfds"), "method.hop_length": 100}
  return make_run(shared_dir, "ddsp", lambda: get_config("ddsp_solo", "tiny", **fields))


@pytest.fixture(scope="session")
def rave_fields(shared_dir, takes):
  """Fields of a short run of configs/rave.py:tiny with both of its phases."""
  fields = of_takes(takes, shared_dir / "rave_tfds")
  return {**fields, "method.adversarial_from": 2, "train.steps": 5}


@pytest.fixture(scope="session")
def rave_run(shared_dir, rave_fields):
  """The workdir of a finished run of it."""
  return make_run(shared_dir, "rave", lambda: get_config("rave", "tiny", **rave_fields))


@pytest.fixture(scope="session")
def drums_run(shared_dir):
  """The workdir of a finished run of configs/cvae.py:tiny on synthetic drums, of their kinds."""
  fields = {
    **{k: v for k, v in SHORT.items() if k != "method.prior"}, "data.name": "synth_drums/tiny",
    "data.tfds_dir": str(shared_dir / "drums_tfds"), "condition.labels": ("kind",),
    "method.prior": "standard",
  }  # fmt: skip
  return str(make_run(shared_dir, "drums", lambda: get_config("cvae", "tiny", **fields)))


@pytest.fixture(scope="session")
def mcnn_fields(tfds_dir):
  """Fields of a short run of configs/mcnn.py:tiny."""
  short = {name: value for name, value in SHORT.items() if name != "method.prior"}
  return {**short, "data.tfds_dir": tfds_dir, "data.drums.sample_rate": 16_000, "train.steps": 5}


@pytest.fixture(scope="session")
def mcnn_run(shared_dir, mcnn_fields):
  """The workdir of a finished run of it."""
  return make_run(shared_dir, "mcnn", lambda: get_config("mcnn", "tiny", **mcnn_fields))


@pytest.fixture(scope="session")
def melody_fields():
  """Fields of a short run of configs/musicvae.py:tiny, with a flow as its prior."""
  short = {name: value for name, value in SHORT.items() if name != "method.prior"}
  return {**short, "train.steps": 5, "method.flow.steps": 4, "eval.sample_notes": 1}


@pytest.fixture(scope="session")
def melody_run(shared_dir, melody_fields):
  """The workdir of a finished run of it."""
  make_config = lambda: get_config("musicvae", "tiny", **melody_fields)
  return make_run(shared_dir, "melody", make_config)


@pytest.fixture(scope="module")
def melody_copy(melody_run, tmp_path_factory):
  """A copy of it to be played, as `played_run`."""
  workdir = tmp_path_factory.mktemp("played") / "melody"
  shutil.copytree(melody_run, workdir)
  return str(workdir)


@pytest.fixture(scope="module")
def client(player):
  """Of the API, for a test file's own `player`."""
  from fastapi import testclient

  from cvae_jax.play import api

  with testclient.TestClient(api.make_app(player), raise_server_exceptions=False) as made:
    yield made


@pytest.fixture(scope="module")
def played_run(tiny_run, tmp_path_factory):
  """A copy of it to be played: its map is kept in its workdir, which others read meanwhile."""
  workdir = tmp_path_factory.mktemp("played") / "cvae"
  shutil.copytree(tiny_run, workdir)
  return str(workdir)
