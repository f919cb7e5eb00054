"""The modules of the page of scores in Node: edits, what is played in, links, what sounds when."""

import json

import pytest
from test_page_modules import NODE
from test_page_modules import run_js

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node")

MELODY = {"name": "melody", "low": 21, "high": 108, "program": 0, "classes": [], "keys": []}
BASS = {**MELODY, "name": "bass", "program": 33}
DRUMS = {**MELODY, "name": "drums", "low": 0, "high": 8}


def form(*voices):
  made = {"num_steps": 32, "bar_steps": 16, "quarter_steps": 4, "attributes": ["density"]}
  return json.dumps({**made, "voices": list(voices)})


def test_a_melody_stays_one_note_at_a_time(tmp_path):
  run_js(tmp_path, """
const {putNote, noteAt, removeNote, setStroke, hasStroke} = await import('./score.js');
const line = [[0, 4, 60], [4, 8, 62], [10, 12, 64]];
assert.deepEqual(putNote(line, [2, 6, 70]), [[0, 2, 60], [2, 6, 70], [10, 12, 64]]);
assert.deepEqual(putNote(line, [4, 5, 70]), [[0, 4, 60], [4, 5, 70], [10, 12, 64]]);
assert.deepEqual(putNote(line, [8, 10, 70]), [...line.slice(0, 2), [8, 10, 70], line[2]]);
assert.deepEqual(putNote([[0, 32, 60]], [8, 9, 70]), [[0, 8, 60], [8, 9, 70]]);
assert.deepEqual(line, [[0, 4, 60], [4, 8, 62], [10, 12, 64]]);
assert.equal(noteAt(line, 7), line[1]);
assert.equal(noteAt(line, 8), undefined);
assert.equal(noteAt(line, 7, 60), undefined);
assert.deepEqual(removeNote(line, line[1]), [line[0], line[2]]);
const beat = setStroke(setStroke([], 4, 1, true), 0, 0, true);
assert.deepEqual(beat, [[0, 0], [4, 1]]);
assert.deepEqual(setStroke(beat, 4, 1, true), beat);
assert.deepEqual(setStroke(beat, 0, 0, false), [[4, 1]]);
assert.ok(hasStroke(beat, 4, 1) && !hasStroke(beat, 4, 0));
""")  # fmt: skip


def test_what_is_played_in_lies_on_the_grid(tmp_path):
  run_js(tmp_path, f"""
const {{quantise, stepSeconds}} = await import('./score.js');
const [melody, drums] = [{json.dumps(MELODY)}, {json.dumps(DRUMS)}];
const step_s = stepSeconds({form(MELODY)}, 90);
assert.ok(Math.abs(step_s - 1 / 6) < 1e-12);
const at = (start, end, pitch) => ({{start: start * step_s, end: end * step_s, pitch}});
// The nearest steps; a note lasts a step at least, and ends where the next one starts.
assert.deepEqual(
  quantise([at(3.6, 9.2, 62), at(-0.4, 3.4, 60), at(8.1, 8.2, 64)], melody, step_s, 32),
  [[0, 3, 60], [4, 8, 62], [8, 9, 64]]);
// Neither before the first step, nor after the last, nor out of the range.
assert.deepEqual(
  quantise([at(-2, 1, 60), at(31.6, 40, 60), at(30, 40, 61), at(4, 5, 20)], melody, step_s, 32),
  [[30, 32, 61]]);
assert.deepEqual(
  quantise([at(0.3, 1, 0), at(0.1, 1, 0), at(3.9, 5, 8)], drums, step_s, 32), [[0, 0], [4, 8]]);
""")  # fmt: skip


@pytest.mark.parametrize("voices", [(MELODY,), (DRUMS,), (MELODY, BASS, DRUMS)])
def test_a_link_restores_the_scores_and_a_damaged_one_is_none(tmp_path, voices):
  run_js(tmp_path, f"""
const {{fromLink, toLink, silence}} = await import('./score.js');
const form = {form(*voices)};
const rows = {{melody: [[0, 4, 60], [4, 32, 108]], bass: [[3, 8, 21]],
  drums: [[0, 0], [0, 8], [31, 4]]}};
const notes = Object.fromEntries(form.voices.map(({{name}}) => [name, rows[name]]));
const state = {{tempo: 93, steps: 9, point: [0.25, 1], family: 'synth_lead',
  labels: {{mode: 'minor~', density: 4}}, slots: [
    {{seed: 2 ** 32 - 1, temperature: 0.55, attributes: {{density: -1.5}}}},
    {{notes, attributes: {{}}}}, {{notes: silence(form), attributes: {{density: 2}}}},
    {{seed: 0, temperature: 1, attributes: {{}}}}]}};
const text = toLink(state, form);
assert.deepEqual(fromLink(text, form), state);
const plain = {{...state, family: null, labels: {{}}}};
assert.deepEqual(fromLink(toLink(plain, form), form), plain);
const slots = (slot) => text.split('~').slice(0, 4).concat([slot], text.split('~').slice(5));
for (const bad of ['', '#seed=3', '#scores=', text.slice(0, 40), text.replace('93', 'x'),
  slots('n!').concat(['s0_1']).join('~'), slots('sx_1').join('~'), slots('nzz').join('~'),
  slots('n_______').join('~')]) assert.equal(fromLink(bad, form), null, bad);
assert.equal(fromLink(text.replace('93', '999'), form).tempo, 300);
""")  # fmt: skip


def test_a_roll_shows_the_notes_and_an_octave_and_a_half(tmp_path):
  run_js(tmp_path, f"""
const {{rangeOf}} = await import('./score.js');
const melody = {json.dumps(MELODY)};
for (const rows of [[], [[0, 4, 60]], [[0, 4, 21]], [[0, 4, 108]], [[0, 4, 40], [4, 8, 80]]]) {{
  const [low, high] = rangeOf(rows, melody);
  assert.ok(low >= 21 && high <= 108 && high - low >= 18, `${{low}} to ${{high}}`);
  for (const [, , pitch] of rows) assert.ok(low <= pitch && pitch <= high);
}}
assert.deepEqual(rangeOf([], {json.dumps(DRUMS)}), [0, 8]);
""")  # fmt: skip


def test_a_band_plays_scores_in_turn_and_follows_at_the_next_repetition(tmp_path):
  run_js(tmp_path, f"""
globalThis.requestAnimationFrame = () => 0;
globalThis.Worker = class {{ postMessage() {{}} }};
const {{ScoreBand}} = await import('./score-band.js');
const form = {form(MELODY)};
const context = {{currentTime: 10}};
const player = {{context, wake() {{}}}};
const marks = [];
const band = new ScoreBand(player, form, {{onStep: (step) => marks.push(step)}});
const played = [];
Object.assign(band.lines.get('melody'), {{load: async () => {{}}, takeBack() {{}}, stop() {{}},
  play: (pitch, gain, time, duration) => played.push([pitch, time, duration])}});
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${{a}} is not ${{b}}`);
const until = (time, by = 0.3) => {{
  for (; context.currentTime < time; context.currentTime += by) band.sequencer.advance();
}};
const a = {{melody: [[0, 4, 60], [30, 32, 61]]}};
const b = {{melody: [[8, 10, 70]]}};
await band.start([a, b], {{tempo: 120, loops: true}});
until(18.5);
const [first] = played;
assert.deepEqual(played.map(([pitch]) => pitch), [60, 61, 70, 60]);
[0, 30, 40, 64].forEach((step, i) => near(played[i][1] - first[1], step / 8));
near(first[2], 0.5);
// What follows begins with the next repetition, whatever its length.
band.follow([b]);
until(26.6);
assert.deepEqual(played.slice(4).map(([pitch]) => pitch), [61, 70, 70]);
near(played[6][1] - first[1], 16 + 1);
// Without repetition it ends with its last step.
played.length = 0;
await band.start([{{melody: [[1, 2, 70]]}}], {{tempo: 120, loops: false}});
until(context.currentTime + 9, 0.7);
assert.equal(played.length, 1);
assert.ok(!band.isOn);
""")  # fmt: skip
