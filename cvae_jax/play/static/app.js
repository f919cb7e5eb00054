// The page: its state (a sound), the notes generated from it (by key), and their playback.
//
// The sound is the API's own object and the only state; controls display and change it.

import {download, get, post, save, upload} from './api.js';
import {$, addDirection, addLabel, chosenValue, showNeeds, showSound, showValue} from './controls.js';
import {Drums} from './drums.js';
import {History} from './history.js';
import {Keyboard, noteName} from './keyboard.js';
import {fromHash, normalize, toHash} from './link.js';
import {wireLatents} from './latents.js';
import {wireLive} from './live.js';
import {Notes} from './notes.js';
import {Pad} from './pad.js';
import {wirePerformance} from './perform.js';
import {Player} from './player.js';
import {drawSpectrogram, drawWave} from './scope.js';
import {wireFile} from './source.js';

const player = new Player();
let card = null;
let sound = normalize({});
let places = []; // position of the sound on the map
let lastPitch = 60;
let previewed = 0;
const history = new History();
const markWaiting = (pitch, waits) => keyboard.mark(pitch, 'waiting', waits);
const notes = new Notes(() => sound, markWaiting);
const slots = {a: null, b: null, between: []};
const held = new Set(); // pressed keys
const kept = new Set(); // released keys that hold or the pedal sustains
let pedal = false;
let latents = null; // once the page is wired, of a run that streams
let drums = null; // once the page is wired, of a run of drums
let live = null; // once the page is wired, of a run that is played live

function say(text, bad = false) {
  $('status').textContent = text;
  $('status').classList.toggle('bad', bad);
}

/** Runs an action of the user and shows its error in the status line. */
async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name !== 'AbortError') say(error.message, true);
    return undefined;
  }
}

// ---- generating notes

const hasKeys = () => card.conditions.includes('pitch');
/** Whether keys are played live: where that is chosen, and where a run draws no notes of its own. */
const playsLive = () => live !== null && (live.isKeys() || !hasKeys());

/** Generates the notes of all visible keys, nearest to the last one first. */
async function prepare() {
  notes.renew();
  if (drums) return prepareDrums();
  const mine = notes.version;
  say('generating notes');
  const wanted = hasKeys() ? keyboard.pitches : [lastPitch];
  wanted.forEach((pitch) => markWaiting(pitch, true));
  await attempt(async () => {
    const started = performance.now();
    await locate();
    if (mine !== notes.version) return;
    await notes.fill(wanted, lastPitch);
    if (mine === notes.version) say(`ready (${wanted.length} keys in ${Math.round(performance.now() - started)} ms)`);
  });
}

/** Generates the pads whose sounds have changed. */
async function prepareDrums() {
  const mine = notes.version;
  say('generating drums');
  await attempt(async () => {
    const started = performance.now();
    const [count] = await Promise.all([drums.fill(notes.signal), locate()]);
    if (mine === notes.version) say(`ready (${count} ${count === 1 ? 'pad' : 'pads'} in ${Math.round(performance.now() - started)} ms)`);
  });
}

/** Updates the position of the sound on the map. */
async function locate() {
  if (!card.directions) return;
  const mine = notes.version;
  const placed = await post('/api/place', sound, notes.signal);
  if (mine !== notes.version) return;
  places = placed.places;
  showPlaces();
}

// ---- playback

let drawing = 0;
function show(note, text) {
  $('heard').textContent = text;
  clearTimeout(drawing);
  drawing = setTimeout(() => {
    drawWave($('wave'), note.samples);
    drawSpectrogram($('spectrogram'), note.samples);
  }, 10);
}

async function down(pitch, strength) {
  if (drums) return drums.strikeKey(pitch, strength);
  player.wake();
  lastPitch = pitch;
  held.add(pitch);
  if (playsLive()) {
    if (!live.isKeys()) await attempt(live.start);
    if (held.has(pitch)) live.down(pitch, strength);
    return;
  }
  const note = await attempt(() => notes.at(pitch));
  if (!note || !held.has(pitch)) return;
  kept.delete(pitch);
  player.start(`key-${pitch}`, note, note.gain * strength * strength);
  show(note, `${hasKeys() ? noteName(pitch) : 'sound'}${note.loop ? ', can be sustained' : ''}`);
}

function up(pitch) {
  held.delete(pitch);
  if ($('hold').checked || pedal) kept.add(pitch);
  else release(pitch);
}

function release(pitch) {
  live?.up(pitch);
  player.stop(`key-${pitch}`);
}

function letGo() {
  if ($('hold').checked || pedal) return;
  kept.forEach(release);
  kept.clear();
}

/** Stops all notes, including those of pressed keys and those still being generated. */
function silence() {
  held.clear();
  kept.clear();
  pedal = false;
  live?.silence();
  latents?.silence();
  drums?.silence();
  player.stopAll();
}

/** Plays the last key once, after a change. */
async function preview() {
  if (drums) return attempt(() => drums.preview());
  const mine = ++previewed;
  const pitch = lastPitch;
  await attempt(async () => {
    const note = await notes.at(pitch);
    if (!note || mine !== previewed || !player.context) return;
    player.start('preview', note, note.gain * 0.8);
    show(note, hasKeys() ? noteName(pitch) : 'sound');
    setTimeout(() => mine === previewed && player.stop('preview'), 1200);
  });
}

// ---- the sound and its controls

/** Changes the sound. If `done`, the change is complete: it enters the history, and notes are generated. */
function change(fields, done = true) {
  sound = normalize({...sound, ...fields});
  drums?.put(sound);
  showAll();
  if (!done) return;
  remember();
  live?.change(sound);
  prepare();
}

/** The fragment of a link to what the page plays. */
const toFragment = () => (drums ? drums.link : toHash(sound));

/** Enters the sound, the curves of latents and the drum machine into the history. */
function remember() {
  if (!history.push({sound: JSON.stringify(sound), curves: latents?.edit, drums: drums?.state})) return;
  window.history.replaceState(null, '', toFragment());
  showHistory();
}

function travel(steps) {
  const state = history.travel(steps);
  if (state === undefined) return;
  showHistory();
  if (state.curves !== latents?.edit) latents.restore(state.curves);
  if (drums) return travelDrums(state.drums);
  if (state.sound === JSON.stringify(sound)) return;
  sound = JSON.parse(state.sound);
  window.history.replaceState(null, '', toHash(sound));
  showAll();
  live?.change(sound);
  prepare().then(preview);
}

function travelDrums(state) {
  const isOtherSound = drums.restore(state);
  ({sound} = drums);
  window.history.replaceState(null, '', toFragment());
  showAll();
  prepare().then(() => isOtherSound && preview());
}

function showHistory() {
  $('undo').disabled = !history.canUndo;
  $('redo').disabled = !history.canRedo;
}

function showAll() {
  showSound(sound, card.labels, card.can_sample);
  const chosen = sound.labels[card.main];
  pad.chosen = chosen === undefined ? null : typeof chosen === 'string' ? [chosen] : Object.keys(chosen);
  pad.draw();
}

function showPlaces() {
  pad.setPlace([places[0] ?? 0, places[1] ?? 0]);
  document.querySelectorAll('#directions input').forEach((input) => {
    input.value = places[input.dataset.direction] ?? 0;
    showValue(input);
  });
}

/** The places of the sound, with some of them changed. */
function placed(changes) {
  const made = Array.from({length: card.directions}, (_, k) => sound.places[k] ?? null);
  for (const [k, place] of Object.entries(changes)) made[k] = place;
  return made;
}

// ---- the parts of the page

const keyboard = new Keyboard($('keyboard'), {
  onDown: down,
  onUp: up,
  onPress: (strength, pitch) => live?.press(strength, pitch),
  onBend: (semitones) => live?.bend(semitones),
  onControl: (name, value) => live?.control(name, value),
  onShift: () => {
    const pitches = keyboard.pitches;
    $('range').textContent = `${noteName(pitches[0])} to ${noteName(pitches.at(-1))}`;
    if (card && !hasKeys()) return; // They are played live.
    pitches.forEach((pitch) => markWaiting(pitch, !notes.has(pitch)));
    if (card) attempt(() => notes.fill(pitches, lastPitch));
  },
});

let waiting = 0;
const pad = new Pad($('pad'), {
  onMove: (place, done) => {
    player.wake();
    const fields = {places: placed({0: place[0], 1: place[1]})};
    if (done) {
      clearTimeout(waiting);
      waiting = 0;
      change(fields);
      preview();
    } else if (!waiting) {
      // While dragging, plays a note every quarter of a second.
      waiting = setTimeout(() => {
        waiting = 0;
        change(fields, false);
        notes.drop();
        preview();
      }, 250);
    }
  },
  onDot: (index, dot) =>
    attempt(async () => {
      player.wake();
      const bytes = await (await fetch(`/api/notes/${index}/audio`)).arrayBuffer();
      const buffer = await player.context.decodeAudioData(bytes);
      const note = {samples: buffer.getChannelData(0), rate: buffer.sampleRate, loop: null};
      player.start('preview', note, 0.8);
      show(note, `training example ${dot.id}`);
      const use = document.createElement('button');
      use.textContent = drums ? 'Use it for this pad' : 'Play it on the keys';
      use.addEventListener('click', () =>
        attempt(async () => {
          const made = await get(`/api/notes/${index}`);
          change(made.sound);
          preview();
        }),
      );
      const about = [dot.labels[card.main], dot.labels.pitch !== undefined && noteName(dot.labels.pitch)];
      $('pad-hint').replaceChildren(`${dot.id} (${about.filter(Boolean).join(', ')}) `, use);
    }),
});

async function keep(name) {
  const made = await post('/api/place', sound);
  slots[name] = made.sound;
  $(`keep-${name}`).classList.add('kept');
  $(`keep-${name}`).textContent = `${name.toUpperCase()} stored`;
  if (!slots.a || !slots.b) return say(`stored as ${name.toUpperCase()}; now store a sound as ${name === 'a' ? 'B' : 'A'}`);
  const {sounds} = await post('/api/interpolate', {a: slots.a, b: slots.b, steps: 17});
  slots.between = sounds;
  $('morph').disabled = false;
  $('morph').value = name === 'a' ? 0 : 1;
  showValue($('morph'));
  return say('A and B are stored; move the slider to interpolate');
}

async function saveInstrument(format) {
  say('generating the instrument');
  const {low: first, high: last} = card.labels.find((label) => label.name === 'pitch');
  const made = await download(
    '/api/instrument/download', {sound, first, last, step: 3, format}, `instrument.${format}`);
  save(made);
  say(`saved ${made.name} (${(made.blob.size / 1e6).toFixed(1)} MB)`);
}

async function encode(file) {
  player.wake();
  say(`encoding ${file.name}`);
  const made = await upload('/api/encode', file);
  if (hasKeys() && made.pitch !== null) lastPitch = Math.round(made.pitch);
  change(made.sound);
  const changes = made.changes.length ? ` (${made.changes.join(', ')})` : '';
  say(`${file.name}${changes}: encoded as ${[describe(made.sound), hasKeys() && noteName(lastPitch)].filter(Boolean).join(', ')}`);
  await preview();
}

/** The names among a sound's labels, as text. */
function describe(made) {
  const names = Object.values(made.labels).flatMap((value) =>
    typeof value === 'string' ? [value] : Array.isArray(value) ? value : typeof value === 'object' ? Object.keys(value) : []);
  return names.join(', ');
}

async function surprise() {
  player.wake();
  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  const fields = {places: [], code: null};
  if (!card.can_sample) {
    const made = await get(`/api/notes/${Math.floor(Math.random() * pad.dots.length)}`);
    Object.assign(fields, made.sound);
  } else {
    fields.seed = Math.floor(Math.random() * 2 ** 32);
    fields.labels = {...sound.labels};
    if (drums) return change(fields), preview(); // Of the kind that the pad is.
    // Names of one training example: some combinations, such as synthetic notes of some families, do not exist.
    const dot = pad.dots.length ? pick(pad.dots) : null;
    for (const label of askedLabels()) {
      if (label.kind === 'names') fields.labels[label.name] = dot?.labels[label.name] || pick(label.names);
    }
  }
  change(fields);
  await preview();
}

/** A sound near the present one: a quarter of the way to a random one with the same labels. */
async function vary() {
  player.wake();
  const seed = Math.floor(Math.random() * 2 ** 32);
  const other = {...sound, seed, temperature: Math.max(sound.temperature, 0.5), code: null, places: []};
  const {sounds} = await post('/api/interpolate', {a: sound, b: other, steps: 5, part: 'code'});
  change({...sounds[1].sound, labels: sound.labels});
  await preview();
}

/** The labels that have controls: all but the pitch, which the key sets. */
const askedLabels = () => card.labels.filter((label) => label.name !== 'pitch');

/** Initial labels: names of one training example, numbers at three quarters of their range. */
function firstLabels() {
  const [dot] = pad.dots;
  const labels = {};
  for (const label of askedLabels()) {
    if (label.kind === 'number') labels[label.name] = Math.round(label.low + 0.75 * (label.high - label.low));
    else if (label.kind === 'names') labels[label.name] = dot?.labels[label.name] || label.names[0];
  }
  return labels;
}

function wire() {
  const on = (id, name, action) => $(id).addEventListener(name, (e) => attempt(() => action(e)));
  for (const label of askedLabels()) {
    addLabel(label, label.mixed && label.name === card.main, () => attempt(() => {
      change({labels: {...sound.labels, [label.name]: chosenValue(label)}});
      return preview();
    }));
  }
  on('seed', 'change', () => {
    const seed = Math.min(2 ** 32 - 1, Math.max(0, Math.floor(Number($('seed').value) || 0)));
    change({seed, places: []});
  });
  on('temperature', 'change', () => change({temperature: Number($('temperature').value), places: []}));
  for (const id of ['seed', 'temperature']) on(id, 'change', preview);
  document.querySelectorAll('input[type=range]').forEach((input) => {
    input.addEventListener('input', () => showValue(input));
  });
  const page = {player, sound: () => sound, say, attempt, show, remember};
  const trace = wirePerformance(page);
  if (card.can_perform) live = wireLive(page);
  if (card.latents) latents = wireLatents(page, card.latents);
  on('surprise', 'click', surprise);
  on('vary', 'click', vary);
  on('forget', 'click', () => change({code: null, places: []}));
  on('recenter', 'click', () => {
    change({places: []});
    return preview();
  });
  on('keep-a', 'click', () => keep('a'));
  on('keep-b', 'click', () => keep('b'));
  on('morph', 'change', () => {
    change(slots.between[Math.round(Number($('morph').value) * (slots.between.length - 1))].sound);
    return preview();
  });
  on('save-note', 'click', async () => {
    save(await note());
    say('saved the sound');
  });
  on('save-sfz', 'click', () => saveInstrument('sfz'));
  on('save-sf2', 'click', () => saveInstrument('sf2'));
  on('undo', 'click', () => travel(-1));
  on('redo', 'click', () => travel(1));
  on('share', 'click', share);
  on('lower', 'click', () => keyboard.shift(-1));
  on('higher', 'click', () => keyboard.shift(1));
  on('silence', 'click', silence);
  on('attack', 'input', () => (player.attack = Number($('attack').value)));
  on('release', 'input', () => (player.release = Number($('release').value)));
  on('volume', 'input', () => player.setVolume(Number($('volume').value)));
  on('hold', 'change', letGo);
  wireFile($('file'), attempt, encode);
  for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      document.querySelectorAll('.drop').forEach((zone) => zone.classList.toggle('over', over));
      const file = name === 'drop' && event.dataTransfer.files[0];
      if (!file) return;
      // A recording is a melody to a run that has one timbre, and where it is dropped upon the melody.
      const isMelody = card.can_perform && (!card.can_sample || event.target.closest?.('#melody'));
      if (latents) attempt(() => latents.open(file, Boolean(event.target.closest?.('#latents-another'))));
      else if (isMelody) attempt(() => trace(file));
      else if (card.can_encode) attempt(() => encode(file));
    });
  }
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && player.context) player.wake(); // Audio may have been suspended meanwhile.
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') silence();
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z') return;
    if (event.target.matches?.('input[type=number]')) return;
    event.preventDefault();
    travel(event.shiftKey ? 1 : -1);
  });
  window.addEventListener('hashchange', () => {
    if (drums && location.hash !== toFragment() && drums.open(location.hash)) change(drums.sound);
    if (drums) return;
    const linked = fromHash(location.hash);
    if (linked && toHash(linked) !== toHash(sound)) change(linked);
  });
}

/** Shows the sound of the pad that is chosen; a change of several pads is complete. */
function chooseSound(chosen, isChange = false) {
  sound = chosen;
  showAll();
  window.history.replaceState(null, '', toFragment());
  if (isChange) remember();
  if (isChange) prepare().then(preview);
  else attempt(locate);
}

async function note() {
  const pitch = hasKeys() ? lastPitch : 60;
  return download('/api/generate', {...sound, pitch}, `note-${pitch}.wav`);
}

async function share() {
  window.history.replaceState(null, '', toFragment());
  try {
    await navigator.clipboard.writeText(location.href);
    say('link copied');
  } catch {
    say(location.href);
  }
}

async function start() {
  card = await get('/api/model');
  document.title = `${card.name}: play`;
  $('run').textContent = `${card.name}, ${card.step.toLocaleString('en')} steps`;
  showNeeds(card);
  $('melody').classList.toggle('only', !card.can_sample);
  const pitch = card.labels.find((label) => label.name === 'pitch');
  if (pitch) keyboard.trained = [pitch.low, pitch.high];
  else if (card.can_perform) {
    keyboard.trained = card.performed;
    keyboard.first = Math.min(72, 12 * Math.ceil(card.performed[0] / 12));
  }
  pad.main = card.labels.find((label) => label.name === card.main) ?? null;
  if (card.form === 'score') $('drop-hint').textContent = 'Drop a MIDI file here, or choose one. It is encoded and played.';
  const isDrums = card.percussion.length > 0;
  for (let k = isDrums || card.meanings[0] ? 0 : 2; k < card.directions; k++) {
    addDirection(k, card.meanings[k] || `Direction ${k + 1}`, (value) => {
      player.wake();
      change({places: placed({[k]: value})});
      preview();
    });
  }
  if (isDrums) {
    keyboard.usesCodes = false;
    keyboard.draw = () => {};
    $('drop-hint').textContent = 'Drop an audio file here, or choose one. It is encoded, and the chosen pad plays it.';
    $('keys-hint').firstChild.textContent = 'Pads: A S D F G H J K; space plays the beat; ';
  } else if (!hasKeys() && !card.can_perform) {
    $('keyboard').innerHTML = '<button id="keyless" class="primary">Play the sound</button>';
    document.querySelector('.keys-tools').hidden = true;
    keyboard.draw = () => {};
    $('keyless').addEventListener('pointerdown', () => down(lastPitch, 0.9));
    for (const name of ['pointerup', 'pointerleave']) $('keyless').addEventListener(name, () => up(lastPitch));
  }
  wire();
  const [across, up] = card.meanings;
  if (across) $('pad-hint').append(` To the right: ${across}${up ? `; up: ${up}` : ''}.`);
  if (card.directions) pad.dots = await get('/api/notes');
  if (isDrums) {
    const {kind: _, ...labels} = firstLabels();
    const page = {player, say, attempt, show, remember, onChoose: chooseSound};
    drums = new Drums(page, card, labels);
    drums.open(location.hash);
  }
  const linked = drums ? drums.sound : fromHash(location.hash);
  const first = {labels: firstLabels()};
  if (!linked && !card.can_sample && pad.dots.length) Object.assign(first, (await get('/api/notes/0')).sound);
  shownOnce();
  change(linked ?? first);
  const onPedal = (on) => {
    pedal = on;
    letGo();
  };
  keyboard.listenToMidi((text) => ($('midi').textContent = text), onPedal, silence);
}

function shownOnce() {
  keyboard.shown = null;
  keyboard.draw();
}

attempt(start);
