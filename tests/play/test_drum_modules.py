"""The modules of the page's drum machine in Node: beats, links, chokes and the sequencer."""

import json

import pytest
from test_page_modules import NODE
from test_page_modules import run_js

from cvae_jax.scores import drum_pattern

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node")


def test_steps_have_the_times_and_gains_of_the_library(tmp_path):
  times = {swing: (drum_pattern.step_beats(swing / 100) * 60 / 97).tolist() for swing in (50, 66)}
  gains = [(drum_pattern.velocity_of(step) / 127) ** 2 for step in range(3)]
  run_js(tmp_path, f"""
const {{makeBeat, setTime, offsetOf, gainOf, setStep, setTrack, solo}} =
  await import('./pattern.js');
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${{a}} is not ${{b}}`);
const times = {json.dumps(times)};
for (const [swing, expected] of Object.entries(times)) {{
  const beat = setTime(makeBeat(2), {{tempo: 97, swing: Number(swing)}});
  expected.forEach((time, step) => near(offsetOf(beat, step), time));
  near(offsetOf(beat, 16), 240 / 97);
}}
let beat = setTrack(makeBeat(1), 0, {{level: 100}});
{json.dumps(gains)}.forEach((gain, value) =>
  near(gainOf(setStep(beat, 0, 3, value).tracks[0], 3), gain));
near(gainOf(setTrack(setStep(beat, 0, 3, 2), 0, {{level: 50}}).tracks[0], 3), 0.5);
near(gainOf(setTrack(setStep(beat, 0, 3, 2), 0, {{muted: true}}).tracks[0], 3), 0);
const muted = (made) => made.tracks.map((track) => track.muted);
assert.deepEqual(muted(solo(makeBeat(3), 1)), [true, false, true]);
assert.deepEqual(muted(solo(solo(makeBeat(3), 1), 1)), [false, false, false]);
""")  # fmt: skip


def test_a_link_restores_pads_and_beat_and_a_damaged_one_is_none(tmp_path):
  run_js(tmp_path, """
const {fromLink, toLink, firstKinds} = await import('./drum-kit.js');
const {applyPattern, fromText, makeBeat, PATTERNS, setTrack, setStep, toText} =
  await import('./pattern.js');
const {normalize} = await import('./link.js');
const kinds = firstKinds(['rim', 'kick', 'snare', 'gong']);
assert.deepEqual(kinds, ['kick', 'snare', 'rim', 'gong', 'kick', 'snare', 'rim', 'gong']);
for (const name of Object.keys(PATTERNS)) {
  for (const row of Object.values(PATTERNS[name].rows)) assert.match(row, /^[.xX]{16}$/);
}
let beat = applyPattern(makeBeat(8), 'Hip hop', kinds);
assert.equal(beat.tracks[0].steps[0], 2);
assert.deepEqual(beat.tracks[4].steps, Array(16).fill(0)); // The second kick.
beat = setTrack(setStep(beat, 7, 15, 2), 2, {level: 37, muted: true});
const sounds = kinds.map((kind, seed) => normalize({
  labels: {kind: {[kind]: 0.5, tom: 0.5}}, seed, places: [null, 1.25],
  code: seed === 3 ? [0.25, -1.5] : null}));
const state = {sounds, beat, chosen: 5};
assert.deepEqual(fromLink(toLink(state)), state);
const plain = {...state, sounds: kinds.map((kind) => normalize({labels: {kind}}))};
assert.ok(toLink(plain).length < 500);
assert.deepEqual(fromText(toText(makeBeat(8)), 8), makeBeat(8));
const full = {...beat, tracks: beat.tracks.map((track) => ({...track, steps: Array(16).fill(2)}))};
assert.deepEqual(fromText(toText(full), 8), full);
const bad = ['', '#', '#seed=3', '#beat=', '#beat=a.b~0', '#beat=110.50.zzzzzz~0~~~~~~~~'];
for (const text of [...bad, toLink(state).slice(0, -200)]) {
  assert.equal(fromLink(text), null, text);
}
assert.equal(fromText('999.10', 8).tempo, 300);
assert.equal(fromText('999.10', 8).swing, 50);
""")  # fmt: skip


def test_pads_have_keys_of_their_own_and_midi_finds_them(tmp_path):
  run_js(tmp_path, """
const {keysOf, padOf, nameOf} = await import('./drum-kit.js');
const percussion = [[36, 'kick'], [38, 'snare'], [42, 'hihat_closed', 1], [54, 'percussion'],
  [35, 'kick'], [44, 'hihat_closed', 1]].map(([key, kind, choke = 0]) => ({key, kind, choke}));
const pad = (kind) => ({labels: {kind}});
const sounds = ['kick', 'kick', {snare: 0.4, kick: 0.6}, 'hihat_closed'].map(pad);
const keys = keysOf(sounds, percussion);
assert.deepEqual(keys.map(({key}) => key), [36, 35, 54, 42]);
assert.equal(padOf(36, keys, percussion), 0);
assert.equal(padOf(44, keys, percussion), 3); // Of the same kind.
assert.equal(padOf(99, keys, percussion), -1);
assert.equal(nameOf(sounds[2]), 'Kick + Snare');
assert.equal(nameOf(sounds[3]), 'Closed hat');
""")  # fmt: skip


def test_a_sequencer_hands_over_every_step_ahead_of_its_time(tmp_path):
  """Five minutes of a page whose timer wanders by up to 700 ms; and one that is held up for 2 s."""
  run_js(tmp_path, """
const {Sequencer, LOOK_AHEAD_S} = await import('./sequencer.js');
const {makeBeat, offsetOf, setTime} = await import('./pattern.js');
let now = 10, seed = 1;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const steps = [];
const onStep = (step, time) => steps.push({step, time, now});
const taken = [];
const onTakeBack = (time) => taken.push(time);
const sequencer = new Sequencer({now: () => now, onStep, onTakeBack});
let beat = setTime(makeBeat(8), {tempo: 124, swing: 58});
sequencer.start(beat);
while (now < 310) { now += 0.7 * random(); sequencer.advance(); }
assert.equal(sequencer.late, 0);
assert.ok(steps.length > 300 * 124 / 15);
steps.forEach(({step, time, now: when}, i) => {
  assert.equal(step, i % 16);
  assert.ok(time >= when && time < when + LOOK_AHEAD_S);
  const expected = steps[0].time + Math.floor(i / 16) * 240 / 124 + offsetOf(beat, step);
  assert.ok(Math.abs(time - expected) < 1e-8);
});
// A change begins with the next step: what is to come is taken back and handed over anew.
const [next, ...others] = steps.filter((other) => other.time > now + 0.15);
assert.ok(others.length > 3);
const before = steps.length;
beat = setTime(beat, {tempo: 60, swing: 50});
sequencer.change(beat);
assert.deepEqual(taken, [next.time]);
const [first, second] = steps.slice(before);
assert.deepEqual([first.step, first.time], [next.step, next.time]);
assert.ok(Math.abs(second.time - first.time - 0.25) < 1e-9);
// Held up: what cannot be played in time is left out and counted, and the clock is kept.
const handed = steps.length;
const due = sequencer.time;
now = due + 2;
sequencer.advance();
assert.equal(sequencer.dropped, 8);
assert.ok(steps.slice(handed).every((other) => other.time >= now));
sequencer.stop();
now += 5; sequencer.advance();
assert.ok(steps.at(-1).time < now);
""")  # fmt: skip


def test_hats_choke_at_the_time_of_the_next(tmp_path):
  run_js(tmp_path, """
const {DrumVoices} = await import('./drum-voices.js');
const sources = [];
const context = {currentTime: 1, createBuffer: () => ({duration: 0.5, copyToChannel() {}}),
  createGain: () => ({gain: {value: 0, cancelScheduledValues() {},
    setValueAtTime(v, t) { this.held = [v, t]; },
    linearRampToValueAtTime() {}}, connect(to) { return to; }, disconnect() {}}),
  createBufferSource() {
    const made = {connect(to) { this.envelope = to; return to; }, start(t) { this.at = t; },
      stop(t) { this.end = t; this.stopped = t === undefined; }};
    sources.push(made);
    return made;
  }};
const voices = new DrumVoices({context, master: {}});
[0, 1, 2].forEach((pad) => voices.load(pad, {samples: new Float32Array(8), rate: 16000}));
voices.strike(0, 0.5, 1, 2.0); // an open hat to come
voices.strike(2, 1.0, 0, 2.0); // a kick
voices.strike(1, 1.0, 1, 2.5); // a closed hat, which cuts it off
assert.equal(sources[0].at, 2.0);
assert.deepEqual(sources[0].envelope.gain.held, [0.5, 2.5]);
assert.ok(Math.abs(sources[0].end - 2.505) < 1e-9);
assert.equal(sources[1].end, undefined);
voices.strike(1, 1.0, 1); // at once, by hand: until the open hat begins
assert.equal(sources[3].at, 1);
assert.ok(Math.abs(sources[3].end - 2.005) < 1e-9);
voices.strike(0, 0, 1, 4.0); // A silent step chokes nothing.
assert.equal(sources.length, 4);
voices.takeBack(2.2); // The closed hat: the open one rings on.
assert.equal(sources[2].stopped, true);
assert.equal(sources[0].end, 2.0 + 0.5);
voices.stop();
assert.equal(sources[2].end, undefined); // It is taken back before it begins.
""")  # fmt: skip
