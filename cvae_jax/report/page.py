"""Renders the report as one self-contained HTML file with embedded figures and sounds."""

import base64
from collections.abc import Mapping
from collections.abc import Sequence
import html
import importlib.resources
import io
import json
import os
import string
from typing import NamedTuple

import numpy as np
import soundfile

from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.evaluation import result_tables
from cvae_jax.report import maps
from cvae_jax.training import samples as samples_lib

# Twelve colours that are distinguishable with colour vision deficiencies, on light and dark
# backgrounds (after Okabe & Ito 2008, and four more).
_COLOURS = (
  "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a400", "#7a5fd0",
  "#8c564b", "#2ca02c", "#888888", "#d62790",
)  # fmt: skip
_SIZE = 380  # of a map, in pixels
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


class RunPage(NamedTuple):
  """The content of a run that is shown in addition to the tables.

  Attributes:
    name: of the run.
    workdir: of the run.
    examples: of its maps; None without maps.
    maps: of the examples.
  """

  name: str
  workdir: str
  examples: maps.Examples | None
  maps: list[maps.Map]


def _data_url(kind: str, content: bytes) -> str:
  return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def encode_audio(audio: np.ndarray, sample_rate: int, kind: str) -> str:
  """Encodes a waveform ([T], full scale) as a data URL: 'flac', or 'mp3' at a quarter of the size.

  Sample rates that MP3 does not support are encoded as FLAC.
  """
  buffer = io.BytesIO()
  clipped = np.clip(audio, -1.0, 1.0)
  kind = kind if kind == "flac" or sample_rate in _MP3_RATES else "flac"
  soundfile.write(buffer, clipped, sample_rate, format=kind.upper())
  return _data_url({"flac": "audio/flac", "mp3": "audio/mpeg"}[kind], buffer.getvalue())


def _player(form: forms.Form, path: str, label: str) -> str:
  """An audio player of a sample; of a score also a link to its MIDI file."""
  try:
    example, _ = form.read(path)
  except errors.UserError:  # A score without notes cannot be read.
    return "nothing"
  source = encode_audio(*form.hear(example), "flac")
  player = f'<audio controls preload=none aria-label="{label}" src="{source}"></audio>'
  if isinstance(form, forms.Waveform):
    return player
  with open(path, "rb") as f:
    url = _data_url(form.media_type, f.read())
  return f'{player} <a download="{html.escape(os.path.basename(path))}" href="{url}">MIDI</a>'


def _table(table: result_tables.Table) -> str:
  head = "".join(f"<th scope=col>{html.escape(h)}</th>" for h in table.header)
  rows = []
  for row, best in zip(table.rows, table.best, strict=True):
    cells = [f"<th scope=row>{html.escape(row[0])}</th>"]
    cells += [
      f"<td class=best>{html.escape(c)}</td>" if i in best else f"<td>{html.escape(c)}</td>"
      for i, c in enumerate(row[1:], 1)
    ]
    rows.append(f"<tr>{''.join(cells)}</tr>")
  return (
    f"<section><h2>{html.escape(table.section.title)}</h2>"
    f"<p>{html.escape(table.section.note)}</p><div class=wide><table>"
    f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
  )


def _samples(run: RunPage) -> str:
  """A run's samples: players, a row for each note, and the figure."""
  by_note = samples_lib.find(run.workdir)
  if not by_note:
    return ""
  form = data_sets.make_form(config_file.load(run.workdir).data)
  versions = [
    v for v in ("original", "reconstruction", "generated") if any(v in x for x in by_note.values())
  ]
  rows = []
  for note, paths in by_note.items():
    cells = []
    for version in versions:
      if version in paths:
        label = html.escape(f"{note}, {version}")
        cells.append(f"<td>{_player(form, paths[version], label)}</td>")
      else:
        cells.append("<td>-</td>")
    rows.append(f"<tr><th scope=row>{html.escape(note)}</th>{''.join(cells)}</tr>")
  figure = ""
  path = os.path.join(run.workdir, samples_lib.DIRECTORY, samples_lib.FIGURE)
  if os.path.exists(path):
    with open(path, "rb") as f:
      url = _data_url("image/png", f.read())
    figure = f'<img alt="Figure of the samples of {html.escape(run.name)}" src="{url}">'
  head = "".join(f"<th scope=col>{v}</th>" for v in versions)
  return (
    f"<h3>{html.escape(run.name)}</h3><div class=wide><table class=players><thead><tr><th></th>"
    f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>{figure}"
  )


def _colour(group: int) -> str:
  return _COLOURS[group % len(_COLOURS)]


def _legend(groups: Sequence[int], names: Sequence[str]) -> str:
  items = [
    f'<li><span style="background:{_colour(g)}"></span>{html.escape(names[g])}</li>' for g in groups
  ]
  return f"<ul class=legend>{''.join(items)}</ul>"


def _maps(index: int, run: RunPage) -> str:
  """A run's maps as SVG; hovering over or touching a dot plays its note."""
  if run.examples is None:
    return ""
  map_figures = []
  for note_map in run.maps:
    dots = []
    for i, (x, y) in enumerate(note_map.places):
      colour, name = _colour(int(run.examples.groups[i])), html.escape(run.examples.ids[i])
      dots.append(
        f'<circle cx="{12 + x * (_SIZE - 24):.1f}" cy="{12 + (1 - y) * (_SIZE - 24):.1f}" r="5" '
        f'fill="{colour}" data-note="{i}"><title>{name}</title></circle>'
      )
    map_figures.append(
      f"<figure><figcaption>{html.escape(note_map.title)}</figcaption>"
      f'<svg viewBox="0 0 {_SIZE} {_SIZE}" data-run="{index}" tabindex=0 role=img aria-label="'
      f"{html.escape(note_map.title)} of {html.escape(run.name)}: arrow keys move between notes"
      f'">{"".join(dots)}</svg></figure>'
    )
  groups = sorted(set(run.examples.groups.tolist()))
  legend = _legend(groups, run.examples.group_names)
  return (
    f"<h3>{html.escape(run.name)}</h3>{legend}<div class=maps>{''.join(map_figures)}</div>"
    f"<p class=said data-said={index} aria-live=polite>&nbsp;</p>"
  )


def render(
  title: str,
  tables: Sequence[result_tables.Table],
  runs: Sequence[RunPage],
  settings: Mapping[str, Sequence[str]],
  figure: bytes | None = None,
) -> str:
  """Renders the page.

  Args:
    title: of the page.
    tables: of all runs.
    runs: content beside the tables.
    settings: fields of the configs that differ, by name, with a value for every run.
    figure: a PNG of the same notes by all runs, see `side_by_side.draw`.
  """
  sounds = {
    str(i): [encode_audio(*sound, "mp3") for sound in run.examples.sounds]
    for i, run in enumerate(runs)
    if run.examples is not None
  }
  names = {str(i): run.examples.ids for i, run in enumerate(runs) if run.examples is not None}
  settings_section = ""
  if settings:
    head = "".join(f"<th scope=col>{html.escape(run.name)}</th>" for run in runs)
    rows = "".join(
      f"<tr><th scope=row>{html.escape(name)}</th>"
      + "".join(f"<td>{html.escape(v)}</td>" for v in values)
      + "</tr>"
      for name, values in settings.items()
    )
    settings_section = (
      "<section><h2>Differences of the configs</h2><div class=wide><table><thead><tr><th></th>"
      f"{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
  players = "".join(map(_samples, runs))
  if figure is not None:
    url = _data_url("image/png", figure)
    players = f'<img alt="The same examples by all runs" src="{url}">{players}'
  map_sections = "".join(_maps(i, run) for i, run in enumerate(runs))
  template = string.Template(
    importlib.resources.files("cvae_jax.report").joinpath("page.html").read_text("utf-8")
  )
  return template.substitute(
    title=html.escape(title),
    tables="".join(map(_table, tables)),
    settings=settings_section,
    samples=f"<section><h2>Sounds</h2>{players}</section>" if players else "",
    maps=(
      "<section><h2>Maps of the latent space</h2><p>A dot is a held-out example: hover over "
      f"or touch it to play its sound.</p>{map_sections}</section>"
      if map_sections
      else ""
    ),
    # "</" would end the enclosing script.
    data=json.dumps({"sounds": sounds, "names": names}).replace("</", "<\\/"),
  )
