"""The page's modules in Node, with an AudioContext and Web MIDI that only remember."""

import pathlib
import shutil
import subprocess

from conftest import ROOT
import pytest

from cvae_jax.play import middleware

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node")
STATIC = ROOT / "cvae_jax" / "play" / "static"

MOCKS = """
import assert from 'node:assert/strict';
const param = () => ({value: 0, setValueAtTime() {}, linearRampToValueAtTime() {},
  cancelScheduledValues() {}, setTargetAtTime() {}});
const node = (more = {}) => ({connect(to) { return to; }, disconnect() {}, gain: param(),
  threshold: param(), ratio: param(), attack: param(), start() {}, stop() { this.stopped = true; },
  ...more});
globalThis.contexts = [];
globalThis.AudioContext = class {
  constructor() { contexts.push(this); }
  state = 'suspended';
  resumed = 0;
  sources = [];
  currentTime = 0;
  createGain() { return node(); }
  createDynamicsCompressor() { return node(); }
  createBuffer() { return {copyToChannel() {}}; }
  createBufferSource() { const made = node(); this.sources.push(made); return made; }
  resume() {
    this.resumed += 1;
    if (this.refuses) return Promise.reject(new Error('not now'));
    if (this.state !== 'closed') this.state = 'running';
    return Promise.resolve();
  }
};
const listens = {addEventListener() {}};
globalThis.document = {...listens};
globalThis.window = {...listens};
globalThis.ResizeObserver = class { observe() {} };
const note = {samples: new Float32Array(8), rate: 16000, loop: null};
"""
MIDI = """
const {Keyboard} = await import('./keyboard.js');
const heard = [];
const keyboard = new Keyboard({...listens, clientWidth: 800}, {
  onDown: (pitch) => heard.push(`down ${pitch}`), onUp: (pitch) => heard.push(`up ${pitch}`),
  onShift() {},
});
const input = (id) => ({id, name: id, state: 'connected'});
const access = {inputs: new Map([['a', input('a')], ['b', input('b')]])};
Object.defineProperty(globalThis, 'navigator', {
  value: {requestMIDIAccess: async () => access}, configurable: true});
let said = '', pedal = false, panics = 0;
await keyboard.listenToMidi(
  (text) => { said = text; }, (on) => { pedal = on; }, () => { panics += 1; });
const send = (id, ...data) => access.inputs.get(id).onmidimessage({data});
const unplug = (id) => { access.inputs.delete(id); access.onstatechange({}); };
const plug = (id) => { access.inputs.set(id, input(id)); access.onstatechange({}); };
"""


def run_js(tmp_path: pathlib.Path, script: str) -> None:
  """Runs a script beside the page's modules; its assertions are this test's."""
  for path in STATIC.glob("*.js"):
    shutil.copy(path, tmp_path)
  (tmp_path / "package.json").write_text('{"type": "module"}')
  (tmp_path / "script.js").write_text(MOCKS + script)
  done = subprocess.run(
    [NODE, "script.js"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
  )
  assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("state", ["suspended", "interrupted"])
def test_audio_that_was_taken_away_comes_back_with_the_next_key(tmp_path, state):
  run_js(tmp_path, f"""
const {{Player}} = await import('./player.js');
const player = new Player();
player.start('a', note);
const [context] = contexts;
assert.equal(context.state, 'running');
context.state = '{state}';
player.start('b', note);
assert.equal(context.state, 'running');
assert.equal(context.resumed, 2);
player.wake();
assert.equal(context.resumed, 2);
assert.equal(contexts.length, 1);
""")  # fmt: skip


def test_a_closed_context_is_replaced(tmp_path):
  run_js(tmp_path, """
const {Player} = await import('./player.js');
const player = new Player();
player.start('a', note);
player.setVolume(0.5);
contexts[0].state = 'closed';
player.start('a', note);
assert.equal(contexts.length, 2);
assert.equal(contexts[1].sources.length, 1);
assert.equal(player.master.gain.value, 0.6 * 0.25);
assert.ok(!contexts[0].sources[0].stopped);
player.stop('a');
assert.ok(contexts[1].sources[0].stopped);
""")  # fmt: skip


def test_a_context_that_may_not_resume_yet_is_asked_again(tmp_path):
  run_js(tmp_path, """
const {Player} = await import('./player.js');
const player = new Player();
player.wake();
contexts[0].state = 'interrupted';
contexts[0].refuses = true;
player.start('a', note);
await new Promise((resolve) => setTimeout(resolve, 10)); // An unhandled rejection would end it.
contexts[0].refuses = false;
player.wake();
assert.equal(contexts[0].state, 'running');
""")  # fmt: skip


@pytest.mark.parametrize("gone", ["unplug('a')", "access.inputs.get('a').state = 'disconnected'; "
                                  "access.onstatechange({})"])  # fmt: skip
def test_what_a_vanished_keyboard_held_is_let_go_with_its_pedal(tmp_path, gone):
  run_js(tmp_path, MIDI + f"""
send('a', 0x90, 60, 100); send('a', 0xb0, 64, 127); send('a', 0x91, 64, 1); send('b', 0x90, 67, 9);
assert.ok(pedal);
{gone};
assert.deepEqual(heard, ['down 60', 'down 64', 'down 67', 'up 60', 'up 64']);
assert.ok(!pedal);
assert.equal(said, 'MIDI: b');
plug('a');
send('a', 0x90, 60, 100); send('a', 0x80, 60, 0);
assert.deepEqual(heard.slice(5), ['down 60', 'up 60']);
assert.equal(panics, 0);
""")  # fmt: skip


def test_a_key_or_pedal_that_another_keyboard_holds_stays(tmp_path):
  run_js(tmp_path, MIDI + """
for (const id of ['a', 'b']) { send(id, 0x90, 60, 100); send(id, 0xb0, 64, 127); }
unplug('a');
assert.ok(pedal);
assert.deepEqual(heard, ['down 60', 'down 60']);
send('b', 0x90, 60, 0);
assert.equal(heard.at(-1), 'up 60');
send('b', 0xb0, 64, 0);
assert.ok(!pedal);
unplug('b');
assert.equal(said, 'MIDI: no keyboard');
""")  # fmt: skip


@pytest.mark.parametrize(
  "message,panics",
  [
    ("0xb0, 120, 0", 1),
    ("0xb5, 123, 0", 1),
    ("0xb0, 126, 1", 1),
    ("0xff", 1),
    ("0xb0, 121, 0", 0),
    ("0xfe", 0),
    ("0xb0, 1, 127", 0),
  ],
)
def test_panic_is_stop(tmp_path, message, panics):
  run_js(tmp_path, MIDI + f"""
send('a', 0x90, 60, 100); send('a', 0xb0, 64, 127);
send('a', {message});
assert.equal(panics, {panics});
assert.equal(heard.includes('up 60'), {str(panics > 0).lower()});
assert.equal(pedal, {str("0xfe" == message or "1, 127" in message).lower()});
""")  # fmt: skip


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(tmp_path):
  run_js(tmp_path, f"""
const {{MAX_BYTES, upload}} = await import('./api.js');
assert.equal(MAX_BYTES, {middleware.MAX_BYTES});
let sent = 0;
globalThis.fetch = async (path, options) => {{
  sent += 1;
  return {{ok: true, json: async () => options.body.byteLength}};
}};
const file = (size) => ({{name: 'a.wav', size, arrayBuffer: async () => new ArrayBuffer(size)}});
await assert.rejects(upload('/api/encode', file(40e6)), /a.wav has 40.0 MB; the limit is 16.0 MB/);
const folder = {{name: 'd', size: 0, arrayBuffer: () => Promise.reject(new Error('no'))}};
await assert.rejects(upload('/api/encode', folder), /d cannot be read/);
assert.equal(sent, 0);
assert.equal(await upload('/api/encode', file(MAX_BYTES)), MAX_BYTES);
assert.equal(sent, 1);
""")  # fmt: skip


PAGE = """
class Element {
  constructor(id = '') { Object.assign(this, {id, value: '', style: {}, dataset: {}, files: [],
    classList: {toggle() {}, add() {}}, on: {}, clientWidth: id === 'keyboard' ? 800 : 0}); }
  addEventListener(name, call) { (this.on[name] ??= []).push(call); }
  async fire(name, event = {}) { for (const call of this.on[name] ?? []) await call(event); }
  setAttribute() {} replaceChildren() {} append() {}
  querySelector() { return new Element(); }
  getContext() { return new Proxy({}, {get: () => () => {}, set: () => true}); }
}
const elements = new Map();
const byId = (id) => elements.get(id) ?? elements.set(id, new Element(id)).get(id);
Object.assign(globalThis, {
  document: Object.assign(new Element(), {getElementById: byId, querySelectorAll: () => [],
    querySelector: () => null, createElement: () => new Element(), body: new Element()}),
  window: Object.assign(new Element(), {history: {replaceState() {}}}),
  location: {hash: ''}, matchMedia: () => new Element(), getComputedStyle: () => ({}),
  ImageData: class { data = new Uint8ClampedArray(200 * 256 * 4); },
  OffscreenCanvas: class { getContext() { return {putImageData() {}}; } },
});
const input = (id) => ({id, name: id, state: 'connected'});
const access = {inputs: new Map([['a', input('a')]])};
Object.defineProperty(globalThis, 'navigator', {
  value: {requestMIDIAccess: async () => access}, configurable: true});
const audio = btoa(String.fromCharCode(...new Uint8Array(32_000)));
let waits = null; // What the server's answers wait for.
const answers = {
  '/api/model': {name: 'run', step: 1, form: 'sound', conditions: ['pitch'], main: null,
    labels: [{name: 'pitch', kind: 'number', names: [], low: 21, high: 108, mixed: false}],
    can_sample: true, can_encode: true, directions: 0, meanings: [], percussion: [],
    sample_rate: 16000},
};
globalThis.fetch = async (path, options) => {
  await waits;
  const keys = () => JSON.parse(options.body).pitches.map((pitch) => ({pitch, audio, loop: null}));
  const made = answers[path] ?? {keys: keys(), sample_rate: 16000, gain: 1};
  return {ok: true, json: async () => made};
};
await import('./app.js');
const settle = (ms = 30) => new Promise((resolve) => setTimeout(resolve, ms));
await settle();
const send = (...data) => access.inputs.get('a').onmidimessage({data});
const all = () => contexts.flatMap((context) => context.sources);
const sounding = () => all().filter((source) => !source.stopped).length;
const play = async (pitch) => { send(0x90, pitch, 100); await settle(); };
"""


def test_a_pedal_that_vanished_holds_no_later_note(tmp_path):
  run_js(tmp_path, PAGE + """
await play(60);
send(0xb0, 64, 127);
send(0x80, 60, 0);
assert.equal(sounding(), 1); // By the pedal.
access.inputs.delete('a');
access.onstatechange({});
assert.equal(sounding(), 0);
access.inputs.set('a', input('a'));
access.onstatechange({});
await play(62);
assert.equal(sounding(), 1);
send(0x80, 62, 0);
assert.equal(sounding(), 0);
""")  # fmt: skip


@pytest.mark.parametrize("stop", ["send(0xb0, 123, 0)", "send(0xb0, 120, 0)",
                                  "await byId('silence').fire('click')"])  # fmt: skip
def test_panic_and_stop_end_all_that_sounds_and_all_that_is_to_sound(tmp_path, stop):
  run_js(tmp_path, PAGE + f"""
await play(60);
send(0xb0, 64, 127);
await play(64);
send(0x80, 64, 0);
assert.equal(sounding(), 2);
let answer;
waits = new Promise((resolve) => {{ answer = resolve; }});
send(0x90, 100, 100); // Not made yet, and so on its way.
{stop};
answer();
await settle();
assert.equal(sounding(), 0);
await play(60);
send(0x80, 60, 0);
assert.equal(sounding(), 0);
""")  # fmt: skip


def test_the_page_wakes_its_audio_when_it_is_seen_again(tmp_path):
  run_js(tmp_path, PAGE + """
await document.fire('visibilitychange');
assert.equal(contexts.length, 0); // There was no gesture yet.
await play(60);
contexts[0].state = 'interrupted';
document.hidden = true;
await document.fire('visibilitychange');
assert.equal(contexts[0].state, 'interrupted');
document.hidden = false;
await document.fire('visibilitychange');
assert.equal(contexts[0].state, 'running');
""")  # fmt: skip


def test_a_dropped_file_that_is_too_large_is_named(tmp_path):
  run_js(tmp_path, PAGE + """
globalThis.fetch = async () => assert.fail('it was sent');
const dataTransfer = {files: [{name: 'long.wav', size: 40e6}]};
await document.fire('drop', {dataTransfer, preventDefault() {}});
await settle();
assert.match(byId('status').textContent, /long.wav has 40.0 MB; the limit is 16.0 MB/);
""")  # fmt: skip


def test_a_line_glides_bends_and_swells(tmp_path):
  run_js(tmp_path, """
const {Line, SILENCE_DB, quantileAt} = await import('./line.js');
assert.equal(quantileAt([-20, -10, 0], 0.75), -5);
const line = new Line(0.008, [-40, 0]);
assert.ok(line.next(4).loudness_db.every((db) => db === SILENCE_DB));
line.vibrato_cents = 0;
line.down(60, 1);
let made = line.next(25);
assert.equal(made.pitch[0], 60);  // Out of silence there is no glide.
assert.ok(made.loudness_db[0] < -15 && Math.abs(made.loudness_db.at(-1) + 2) < 0.1);
line.down(64, 1);
line.up(60);
made = line.next(25);
assert.ok(made.pitch[0] > 60 && made.pitch[0] < 64 && Math.abs(made.pitch.at(-1) - 64) < 0.01);
assert.ok(Math.min(...made.loudness_db) > -5);  // A slur.
line.bend = -1;
line.swell_db = 6;
made = line.next(25);
assert.ok(Math.abs(made.pitch.at(-1) - 63) < 0.01 && Math.abs(made.loudness_db.at(-1) - 4) < 0.1);
line.press(0, 64);
made = line.next(50);
assert.ok(Math.abs(made.loudness_db.at(-1) - (-38 + 6)) < 0.1);
line.up(64);
made = line.next(60);
assert.equal(made.loudness_db.at(-1), SILENCE_DB);
line.down(60, 1);
line.down(64, 1);
line.up(64);  // The key that is still held sounds again.
assert.ok(Math.abs(line.next(50).pitch.at(-1) - 59) < 0.01);
line.vibrato_cents = 50;
line.bend = 0;
made = line.next(250).pitch.slice(100);
assert.ok(Math.max(...made) > 60.45 && Math.min(...made) < 59.55);
""")  # fmt: skip


@pytest.mark.parametrize("rates", [(48_000, 16_000), (16_000, 44_100), (16_000, 16_000)])
def test_a_tone_of_any_blocks_has_the_same_pitch_and_level_at_another_rate(tmp_path, rates):
  run_js(tmp_path, f"const [from, to] = {list(rates)};" + """
const {Resampler} = await import('./resampler.js');
const wave = (rate, hz) => (_, i) => Math.sin((2 * Math.PI * hz * i) / rate);
const tone = (rate, hz) => Float32Array.from({length: rate}, wave(rate, hz));
const resample = (samples, size) => {
  const resampler = new Resampler(from, to);
  const made = [];
  for (let i = 0; i < samples.length; i += size) {
    made.push(...resampler.push(samples.subarray(i, i + size)));
  }
  return made;
};
const made = resample(tone(from, 1000), 128);
assert.ok(Math.abs(made.length - to) <= 60, `${made.length}`);
resample(tone(from, 1000), 1000).forEach((x, i) => assert.ok(Math.abs(x - made[i]) < 1e-6));
const part = made.slice(Math.floor(to / 4), Math.floor((3 * to) / 4));
let [re, im] = [0, 0];
part.forEach((x, i) => {
  re += x * Math.cos((2 * Math.PI * 1000 * i) / to);
  im += x * Math.sin((2 * Math.PI * 1000 * i) / to);
});
assert.ok(Math.abs((2 * Math.hypot(re, im)) / part.length - 1) < 1e-3);
const power = part.reduce((sum, x) => sum + x * x, 0) / part.length;
assert.ok(Math.abs(power - 0.5) < 1e-3);  // And nothing else.
if (from > to) {  // What half the lower rate does not hold is gone.
  const high = resample(tone(from, 0.6 * to), 128).slice(200);
  assert.ok(Math.max(...high.map(Math.abs)) < 0.01);
}
""")  # fmt: skip


def test_wheels_and_aftertouch_of_a_midi_keyboard_are_passed_on(tmp_path):
  run_js(tmp_path, MIDI + """
const more = [];
Object.assign(keyboard.calls, {
  onPress: (strength, pitch) => more.push(['press', strength, pitch]),
  onBend: (semitones) => more.push(['bend', semitones]),
  onControl: (name, value) => more.push([name, value]),
});
send('a', 0x90, 60, 100); send('a', 0xe0, 0, 64); send('a', 0xe0, 0, 0); send('a', 0xd0, 127);
send('a', 0xa0, 60, 0); send('a', 0xb0, 1, 127); send('a', 0xb0, 11, 0);
assert.deepEqual(more, [['bend', 0], ['bend', -2], ['press', 1, null], ['press', 0, 60],
  ['vibrato', 1], ['swell', 0]]);
""")  # fmt: skip


def test_curves_are_mixed_scaled_shifted_and_drawn(tmp_path):
  run_js(tmp_path, """
const {begin, count, draw, heard, heardAll, mix, place, reset, set} = await import('./curves.js');
assert.deepEqual(mix([0, 0, 0, 0], [1, 2], 0.5), [0.5, 1, 0.5, 1]); // The shorter one begins anew.
assert.deepEqual(mix([1, 2], null, 0.5), [1, 2]);
const plain = begin([[1, 2, 3, 4], [0, 0, 0, 0]], 100);
assert.deepEqual(heard(plain, 0), [1, 2, 3, 4]);
const moved = set(plain, 0, {scale: 0.5, shift: 1});
assert.deepEqual(heardAll(moved), [[1.5, 2, 2.5, 3], [0, 0, 0, 0]]);
let edit = draw(moved, 0, [3, 7], [1, 5]); // From right to left.
assert.deepEqual(heard(edit, 0), [1.5, 5, 6, 7]);
assert.deepEqual(heard(moved, 0), [1.5, 2, 2.5, 3]); // What was is as it was.
edit = draw(edit, 0, [1, 5], [1, -5]);
assert.deepEqual(heard(edit, 0), [1.5, -5, 6, 7]);
// What is drawn is scaled and shifted as the rest, and outlasts a mix.
assert.deepEqual(heard(set(edit, 0, {shift: 2}), 0), [2.5, -4, 7, 8]);
const mixed = {...edit, second: [[11, 1], [1, 1]], weight: 1};
assert.deepEqual(heard(mixed, 0), [6.5, -5, 6, 7]);
assert.equal(count({...edit, second: [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]}), 5);
// On a curve that is scaled to nothing.
edit = place(set(plain, 0, {scale: 0, shift: 1}), 0, 2, [3]);
assert.deepEqual(heard(edit, 0), [1, 1, 3, 1]);
assert.equal(edit.scale[0], 1);
assert.deepEqual(heard(reset(edit, 0), 0), [1, 2, 3, 4]);
""")  # fmt: skip


def test_a_history_has_states_of_several_fields(tmp_path):
  run_js(tmp_path, """
const {History} = await import('./history.js');
const history = new History(3);
const curves = {};
assert.ok(history.push({sound: 'a', curves}));
assert.ok(!history.push({sound: 'a', curves}));
assert.ok(history.push({sound: 'a', curves: {}}));
assert.ok(history.push({sound: 'b', curves}));
assert.equal(history.travel(-2).curves, curves);
assert.ok(!history.canUndo && history.canRedo && history.travel(-1) === undefined);
history.travel(1);
assert.ok(history.push({sound: 'c', curves}) && !history.canRedo);
""")  # fmt: skip


def test_the_last_take_that_was_asked_for_is_played(tmp_path):
  run_js(tmp_path, """
const {Take} = await import('./take.js');
globalThis.OfflineAudioContext = class {
  constructor(channels, length, rate) { this.rate = rate; }
  async decodeAudioData(bytes) {
    return {sampleRate: this.rate, duration: 1, getChannelData: () => new Float32Array(100)};
  }
};
const header = new DataView(new ArrayBuffer(44));
header.setUint32(24, 100, true);
const started = [];
const player = {wake() {}, start: (key, note) => (started.push([key, note]), 'voice')};
const answers = [];
const take = new Take(player, 'latents', () => new Promise((resolve) => answers.push(resolve)));
const [first, second] = [take.play(), take.play(0.25)];
const wav = () => ({name: 'a.wav', blob: new Blob([header.buffer])});
answers[1](wav());
assert.equal((await second).voice, 'voice');
answers[0](wav());
assert.equal(await first, undefined);
assert.equal(started.length, 1);
assert.equal(started[0][1].samples.length, 75);
assert.equal(started[0][1].rate, 100);
await take.wav();
assert.equal(answers.length, 2);
take.drop();
take.wav();
assert.equal(answers.length, 3); // Curves have changed.
""")  # fmt: skip


@pytest.mark.parametrize("fills", [True, False])
def test_a_late_block_is_a_gap_and_silence_makes_room_for_others(tmp_path, fills):
  run_js(tmp_path, f"const fills = {str(fills).lower()};" + """
const made = {};
globalThis.sampleRate = 16000;
globalThis.currentTime = 0;
globalThis.AudioWorkletProcessor = class { port = {postMessage: (said) => (made.said = said)}; };
globalThis.registerProcessor = (name, type) => (made[name] = type);
await import('./live-worklet.js');
const player = new made['live-player']({
  processorOptions: {rate: 16000, ahead: 0.02, slack: 0.02, fills}});
const push = (value) => player.port.onmessage({data: {samples: new Float32Array(192).fill(value)}});
const play = () => {
  const channel = new Float32Array(64);
  player.process([], [[channel]]);
  return channel[0];
};
push(1);
const heard = [play()];
if (!fills) push(1); // It waits for so much.
for (let i = 0; i < 6; i++) heard.push(play());
assert.deepEqual(heard, fills ? [0, 0, 1, 1, 1, 0, 0] : [0, 1, 1, 1, 1, 1, 1]);
assert.equal(made.said.gaps, fills ? 1 : 0);
for (let i = 0; i < 5; i++) push(2); // All at once.
play();
assert.ok(made.said.queued <= 0.04); // What is late for ever is left out.
""")  # fmt: skip


def test_an_answer_of_the_server_is_curves_and_samples(tmp_path):
  run_js(tmp_path, """
const {unpack} = await import('./stream.js');
const {curves, samples} = unpack(Float32Array.from([1, 2, 3, 4, 5, 6, 7]).buffer, 2, 2);
assert.deepEqual(curves.map((x) => [...x]), [[1, 2], [3, 4]]);
assert.deepEqual([...samples], [5, 6, 7]);
""")  # fmt: skip
