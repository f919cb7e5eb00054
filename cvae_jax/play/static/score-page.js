// The page of scores: four of them, A to D; the strip from A to B, and the mix of all four.
//
// The state is what the four are made of: seeds or notes, and how far they are moved along attributes. What they are
// made into, their notes and codes, comes from the server.

import {download, post, save, upload} from './api.js';
import {$, showLabel, showValue} from './controls.js';
import {History} from './history.js';
import {MixSquare} from './mix-square.js';
import {Player} from './player.js';
import {RollEditor} from './roll-editor.js';
import {drawSmall} from './roll.js';
import {ScoreBand} from './score-band.js';
import {ScoreRecorder} from './score-recorder.js';
import {showAttributes, showRowNames, showSlot, StripView} from './score-view.js';
import {fromLink, isDrums, isSilent, silence, SLOTS, toLink} from './score.js';

const SEEDS = 2 ** 32;
export const STRENGTH = 0.87; // of a stroke by mouse, touch or the computer's keys
const LATER_MS = 120; // that a drag of a slider waits for the next

const randomSeed = () => Math.floor(Math.random() * SEEDS);

export class ScorePage {
  #version = 0; // of the scores: answers to earlier requests are discarded
  #asking = new AbortController();
  #later = 0;
  #mixing = null; // a request for a mix; another one is made when it is answered, if the point has moved
  #endings = new Map(); // of keys that are pressed

  constructor(card, form) {
    Object.assign(this, {card, form});
    this.player = new Player();
    this.history = new History();
    this.slot = 0; // that is edited
    this.voice = form.voices[0];
    this.chosen = {kind: 'slot', index: 0}; // what is saved and copied
    this.playing = null; // the same, or {kind: 'strip'}
    this.made = {slots: [], strip: [], mix: null};
    this.band = new ScoreBand(this.player, form, {onStep: (step, score) => this.#mark(step, score)});
    this.recorder = new ScoreRecorder(this.player, form);
    this.strip = new StripView($('strip'), form, (index) => this.attempt(() => this.playTile(index)));
    this.square = new MixSquare($('square'), form, (point, isDone) => this.#movePoint(point, isDone));
    this.editor = new RollEditor($('roll'), form, {
      onEdit: (notes, isDone) => this.#edit(notes, isDone),
      onTouch: (value) => this.#touch(value),
      onCell: (text) => ($('roll-hint').textContent = text),
    });
    $('roll').style.setProperty('--steps', form.num_steps);
  }

  // ---- the state

  /** Scores that are drawn, with the first labels. */
  begin() {
    const labels = {};
    for (const label of this.card.labels) {
      if (label.kind === 'number') labels[label.name] = Math.round((label.low + label.high) / 2);
      else if (label.kind === 'names') [labels[label.name]] = label.names;
    }
    const slots = [...SLOTS].map((_, seed) => ({seed, temperature: 1, attributes: {}}));
    this.state = {tempo: 120, steps: 7, point: [0.5, 0.5], family: null, labels, slots};
  }

  get link() {
    return toLink(this.state, this.form);
  }

  open(hash) {
    const linked = fromLink(hash, this.form);
    if (linked) this.state = linked;
    return linked !== null;
  }

  /** Changes the state; a change that is done enters the history. */
  async change(fields, isDone = true) {
    this.state = {...this.state, ...fields};
    this.showState();
    if (isDone) this.remember();
    await this.refresh();
  }

  changeSlot(index, fields, isDone = true) {
    const slots = this.state.slots.map((slot, i) => (i === index ? fields : slot));
    return this.change({slots}, isDone);
  }

  remember() {
    if (!this.history.push({text: JSON.stringify(this.state)})) return;
    window.history.replaceState(null, '', this.link);
    this.#showHistory();
  }

  #showHistory() {
    $('undo').disabled = !this.history.canUndo;
    $('redo').disabled = !this.history.canRedo;
  }

  travel(steps) {
    const found = this.history.travel(steps);
    if (found === undefined) return undefined;
    this.state = JSON.parse(found.text);
    window.history.replaceState(null, '', this.link);
    this.#showHistory();
    this.showState();
    return this.refresh();
  }

  // ---- what is made of it

  async refresh() {
    const mine = ++this.#version;
    this.#asking.abort();
    this.#asking = new AbortController();
    const {signal} = this.#asking;
    const {labels, slots, steps, point} = this.state;
    const started = performance.now();
    this.say('making scores');
    const made = await post('/api/scores/make', {scores: slots, labels}, signal);
    const codes = made.scores.map(({code}) => code);
    const [between, mixed] = await Promise.all([
      post('/api/scores/strip', {a: codes[0], b: codes[1], steps, labels}, signal),
      post('/api/scores/mix', {corners: codes, points: [point], labels}, signal),
    ]);
    if (mine !== this.#version) return;
    this.made = {slots: made.scores, strip: between.scores, mix: mixed.scores[0]};
    this.showMade();
    this.say(`ready (${slots.length + steps} scores in ${Math.round(performance.now() - started)} ms)`);
    await this.#follow();
  }

  /** Has what plays follow a change, once its sounds are there. */
  async #follow() {
    const scores = this.#notesOf(this.playing ?? {kind: 'strip'});
    await this.band.load(scores);
    if (!this.band.isOn || !this.playing) return;
    if (this.playing.kind === 'mix') this.band.follow(scores);
    else this.band.change({scores: this.#notesOf(this.playing)});
  }

  #notesOf({kind, index}) {
    if (kind === 'slot') return [this.made.slots[index].notes];
    if (kind === 'tile') return [this.made.strip[Math.min(index, this.made.strip.length - 1)].notes];
    return kind === 'mix' ? [this.made.mix.notes] : this.made.strip.map(({notes}) => notes);
  }

  #movePoint(point, isDone) {
    this.state = {...this.state, point};
    if (isDone) this.remember();
    this.attempt(() => this.#mix());
  }

  async #mix() {
    if (this.#mixing || !this.made.mix) return;
    const {point, labels} = this.state;
    const mine = this.#version;
    this.#mixing = post('/api/scores/mix', {corners: this.made.slots.map(({code}) => code), points: [point], labels});
    try {
      const {scores} = await this.#mixing;
      if (mine === this.#version) [this.made.mix] = scores;
    } finally {
      this.#mixing = null;
    }
    this.#showMix();
    if (point !== this.state.point) await this.#mix();
    else if (this.playing?.kind === 'mix') await this.#follow();
  }

  // ---- edits of a score

  #edit(notes, isDone) {
    this.made.slots[this.slot] = {...this.made.slots[this.slot], notes};
    if (isDone) this.attempt(() => this.setNotes(this.slot, notes));
    else if (this.band.isOn && this.playing?.kind === 'slot') this.attempt(() => this.#follow());
  }

  setNotes(index, notes) {
    return this.changeSlot(index, {notes, attributes: {}});
  }

  /** Plays a pitch or a class that is set in the roll, unless scores play. */
  #touch(value) {
    if (this.band.isOn) return;
    const end = this.band.press(this.voice, value, STRENGTH);
    setTimeout(end, 200);
  }

  async similar() {
    const {code} = this.made.slots[this.slot];
    const {labels} = this.state;
    const temperature = Number($('temperature').value);
    const {scores} = await post('/api/scores/similar', {code, seed: randomSeed(), temperature, labels});
    await this.setNotes(this.slot, scores[0].notes);
  }

  draw(indices) {
    const temperature = Number($('temperature').value);
    const slots = this.state.slots.map((slot, i) => (indices.includes(i) ? {seed: randomSeed(), temperature, attributes: {}} : slot));
    return this.change({slots});
  }

  move(name, amount, isDone) {
    const slot = this.state.slots[this.slot];
    const moved = {...slot, attributes: {...slot.attributes, [name]: amount}};
    if (!amount) delete moved.attributes[name];
    this.state = {...this.state, slots: this.state.slots.map((old, i) => (i === this.slot ? moved : old))};
    showAttributes(this.form.attributes, moved.attributes);
    clearTimeout(this.#later);
    if (isDone) return this.change({});
    this.#later = setTimeout(() => this.attempt(() => this.refresh()), LATER_MS);
    return undefined;
  }

  async read(file) {
    const {slot} = this;
    const found = await upload('/api/scores/read', file);
    await this.setNotes(slot, found.notes);
    const changes = found.changes.length ? ` (${found.changes.join(', ')})` : '';
    this.say(`${file.name}${changes}: score ${SLOTS[slot]}`);
  }

  async record() {
    if (this.recorder.isOn) return this.recorder.stop();
    this.stop();
    const {slot, voice} = this;
    if (isDrums(voice)) await this.band.load([silence(this.form)]);
    $('record').textContent = 'Stop';
    $('record').classList.add('recording');
    this.say('recording after a bar of clicks: play the keys below');
    this.recorder.start(voice, this.state.tempo, (rows) => {
      $('record').textContent = 'Record';
      $('record').classList.remove('recording');
      if (!rows) return this.say('nothing was played');
      return this.attempt(() => this.setNotes(slot, {...this.made.slots[slot].notes, [voice.name]: rows}));
    });
    return undefined;
  }

  // ---- what is heard

  async play(what) {
    const scores = this.#notesOf(what);
    this.playing = what;
    this.#showPlaying();
    this.say('loading sounds');
    const loops = $('loop').checked;
    await this.band.start(scores, {tempo: this.state.tempo, loops});
    this.say(scores.every(isSilent) ? 'ready: there are no notes to play' : 'ready');
  }

  toggle(what) {
    if (this.playing?.kind === what.kind && this.playing.index === what.index) return this.stop();
    return this.play(what);
  }

  playTile(index) {
    this.choose({kind: 'tile', index});
    return this.toggle({kind: 'tile', index});
  }

  choose(what) {
    this.chosen = what;
    const last = this.made.strip.length - 1;
    const ofStrip = what.index === 0 ? 'A' : what.index === last ? 'B' : `A to B, ${what.index}`;
    const name = what.kind === 'slot' ? SLOTS[what.index] : what.kind === 'mix' ? 'the mix' : ofStrip;
    this.chosenName = name;
    $('chosen-name').textContent = name;
    $('save-chosen-midi').textContent = `${name[0].toUpperCase()}${name.slice(1)} (MIDI)`;
    $('save-chosen-wav').textContent = `${name[0].toUpperCase()}${name.slice(1)} (WAV)`;
    this.strip.show(this.made.strip, what.kind === 'tile' ? what.index : null);
  }

  stop() {
    this.band.stop();
    this.playing = null;
    this.#showPlaying();
  }

  silence() {
    this.recorder.stop();
    this.stop();
    for (const end of this.#endings.values()) end();
    this.#endings.clear();
  }

  #mark(step, score) {
    const {kind, index} = this.playing ?? {};
    const isStrip = kind === 'strip' || kind === 'tile';
    this.strip.mark(isStrip ? (kind === 'strip' ? score : index) : this.strip.now, isStrip ? step : null);
    this.editor.mark(kind === 'slot' && index === this.slot ? step : null);
    if (this.made.mix) drawSmall($('mix-tile').firstChild, this.made.mix.notes, this.form, kind === 'mix' ? step : null);
    if (step === null && this.playing && !this.band.isOn) {
      this.playing = null;
      this.#showPlaying();
    }
  }

  down(value, strength) {
    this.player.wake();
    this.recorder.down(value);
    this.#endings.get(value)?.();
    this.#endings.set(value, this.band.press(this.voice, value, strength));
  }

  up(value) {
    this.recorder.up(value);
    this.#endings.get(value)?.();
    this.#endings.delete(value);
  }

  // ---- what is shown

  say(text, isBad = false) {
    $('status').textContent = text;
    $('status').classList.toggle('bad', isBad);
  }

  /** Runs an action of the user and shows its error in the status line. */
  async attempt(action) {
    try {
      return await action();
    } catch (error) {
      if (error.name !== 'AbortError') this.say(error.message, true);
      return undefined;
    }
  }

  showState() {
    const {tempo, steps, family, labels, slots, point} = this.state;
    Object.assign($('tempo'), {value: tempo});
    Object.assign($('steps'), {value: steps});
    if (family) $('family').value = family;
    this.band.setFamily(family);
    for (const label of this.card.labels) showLabel(label, labels[label.name]);
    document.querySelectorAll('#labels input[type=range]').forEach(showValue);
    showSlot(this.slot);
    showAttributes(this.form.attributes, slots[this.slot].attributes);
    this.square.show(this.made.slots, point);
  }

  showMade() {
    this.square.show(this.made.slots);
    this.choose(this.chosen);
    this.#showMix();
    this.#showEditor();
    const kept = [0, 1].map((i) => this.#reproduced(i)).filter(Boolean);
    $('strip-hint').textContent = kept.length
      ? `The strip begins and ends with what the model makes of A and B: ${kept.join(', ')}.`
      : 'Click a score to play it alone. What lies between is decoded from latents on the arc from A to B.';
  }

  /** How many notes of A or B are in the strip's end, where these are not all. */
  #reproduced(i) {
    const wanted = Object.values(this.made.slots[i].notes).flat().map(String);
    const there = new Set(Object.values(this.made.strip.at(i ? -1 : 0).notes).flat().map(String));
    const count = wanted.filter((row) => there.has(row)).length;
    return count === wanted.length ? '' : `${count} of ${wanted.length} notes of ${SLOTS[i]}`;
  }

  #showMix() {
    drawSmall($('mix-tile').firstChild, this.made.mix.notes, this.form);
  }

  #showEditor() {
    this.editor.show(this.made.slots[this.slot].notes, this.voice);
    showRowNames(this.voice, this.editor.range);
    $('shifts').hidden = isDrums(this.voice);
    $('roll-hint').textContent = isDrums(this.voice)
      ? 'Click a step to set or clear it; drag across several.'
      : 'Drag to draw a note; drag a note to move it, or its end to hold it; click a note to remove it.';
  }

  #showPlaying() {
    const {kind, index} = this.playing ?? {};
    const isOn = {'play-strip': kind === 'strip', 'play-slot': kind === 'slot' && index === this.slot, 'play-mix': kind === 'mix'};
    for (const [id, on] of Object.entries(isOn)) {
      $(id).textContent = on ? 'Stop' : 'Play';
      $(id).setAttribute('aria-pressed', on);
    }
  }

  edit(slot) {
    this.slot = slot;
    this.showState();
    this.choose({kind: 'slot', index: slot});
    this.#showEditor();
    this.#showPlaying();
  }

  setVoice(name) {
    this.voice = this.form.voices.find((voice) => voice.name === name);
    this.#showEditor();
    this.onVoice?.();
  }

  shift(semitones) {
    this.editor.shift(semitones);
    showRowNames(this.voice, this.editor.range);
  }

  // ---- files

  async save(format, isStrip) {
    this.say(`making the ${format === 'wav' ? 'WAV' : 'MIDI file'}`);
    const scores = this.#notesOf(isStrip ? {kind: 'strip'} : this.chosen);
    const {tempo, family} = this.state;
    const name = `${isStrip ? 'strip' : this.chosenName.replaceAll(/[ ,]+/g, '-')}.${format === 'wav' ? 'wav' : 'mid'}`;
    const {blob} = await download(`/api/scores/${format}`, {scores, tempo_bpm: tempo, family}, name);
    save({name, blob});
    this.say(`ready: saved ${name}`);
  }

  copy(slot) {
    return this.setNotes(slot, this.#notesOf(this.chosen)[0]);
  }

  async share() {
    window.history.replaceState(null, '', this.link);
    try {
      await navigator.clipboard.writeText(location.href);
      this.say('link copied');
    } catch {
      this.say(location.href);
    }
  }
}
