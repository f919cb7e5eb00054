// The drum machine of a run of drums: its pads, its beat, and what they sound like.
//
// One pad is chosen, and its sound is the one that the page's other controls show and change.

import {download, post, save, toSamples} from './api.js';
import {$, showValue} from './controls.js';
import {firstKinds, fromLink, keysOf, kindsOf, nameOf, NUM_PADS, padOf, toLink} from './drum-kit.js';
import {DrumPads} from './drum-pads.js';
import {DrumVoices} from './drum-voices.js';
import {normalize} from './link.js';
import {applyPattern, clear, gainOf, makeBeat, PATTERNS, setTime, toRequest} from './pattern.js';
import {Sequencer} from './sequencer.js';
import {StepGrid} from './step-grid.js';

const STRENGTH = 0.87; // of a stroke by mouse, touch or the computer's keys
const FIRST_PATTERN = 'Four on the floor';

export class Drums {
  #made = []; // by pad: the sound, as text, that it has been made of
  #asked = []; // by pad: the sound, as text, that was asked for last, and the request
  #shown = []; // steps that are to be marked, with their times
  #ticker = null;

  /**
   * @param {object} page with player, say, attempt, show, remember and onChoose, which gets the sound of
   *   a pad that is chosen
   * @param {object} card of the run
   * @param {object} labels of all pads, without their kinds
   */
  constructor(page, card, labels) {
    this.page = page;
    this.percussion = card.percussion;
    const kinds = firstKinds([...new Set(card.percussion.map(({kind}) => kind))]);
    this.sounds = kinds.map((kind) => normalize({labels: {...labels, kind}}));
    this.beat = applyPattern(makeBeat(NUM_PADS), FIRST_PATTERN, kinds);
    this.chosen = 0;
    this.voices = new DrumVoices(page.player);
    this.sequencer = new Sequencer({
      now: () => page.player.context.currentTime,
      onStep: (step, time) => this.#playStep(step, time),
      onTakeBack: (time) => {
        this.voices.takeBack(time);
        this.#shown = this.#shown.filter((shown) => shown.time < time);
      },
    });
    this.pads = new DrumPads($('keyboard'), NUM_PADS, {
      onStrike: (pad, isPointed) => this.#strikeAndShow(pad, isPointed),
      onPlay: () => this.toggle(),
    });
    this.grid = new StepGrid($('steps'), NUM_PADS, {
      onEdit: (beat, isDone) => this.#setBeat(beat, isDone),
      onChoose: (pad) => {
        this.choose(pad);
        this.#strikeAndShow(pad, false);
      },
    });
    this.#wire();
  }

  get sound() {
    return this.sounds[this.chosen];
  }

  /** Everything that undo takes back, as text. */
  get state() {
    return JSON.stringify({sounds: this.sounds, beat: this.beat});
  }

  get link() {
    return toLink(this);
  }

  get isOn() {
    return this.sequencer.isOn;
  }

  /** Goes back to a state. The pad whose sound differs is chosen. */
  restore(text) {
    const {sounds, beat} = JSON.parse(text);
    const changed = sounds.findIndex((sound, k) => JSON.stringify(sound) !== JSON.stringify(this.sounds[k]));
    Object.assign(this, {sounds, chosen: changed < 0 ? this.chosen : changed});
    this.#setBeat(beat, false);
    this.show();
    return changed >= 0;
  }

  /** Takes over what a link says; false if it is of no drum machine. */
  open(hash) {
    const linked = fromLink(hash);
    if (!linked) return false;
    Object.assign(this, linked);
    this.#setBeat(linked.beat, false);
    this.show();
    return true;
  }

  /** Changes the sound of the chosen pad. */
  put(sound) {
    this.sounds = this.sounds.map((old, k) => (k === this.chosen ? sound : old));
    this.show();
  }

  choose(pad) {
    if (pad === this.chosen) return;
    this.chosen = pad;
    this.show();
    this.page.onChoose(this.sound);
  }

  show() {
    const names = this.sounds.map(nameOf);
    this.keys = keysOf(this.sounds, this.percussion);
    this.pads.show(names, this.chosen);
    this.grid.show(this.beat, names, this.chosen);
    $('sound-title').textContent = `Sound of ${names[this.chosen]}`;
    $('tempo').value = this.beat.tempo;
    $('swing').value = this.beat.swing;
    showValue($('swing'));
  }

  /** Makes the pads whose sounds have changed, in one request; how many it asks for. */
  async fill(signal) {
    const wanted = this.sounds.map((sound) => JSON.stringify(sound));
    wanted.forEach((text, k) => text === this.#made[k] && (this.#asked[k] = null)); // Back to what is there.
    const isAsked = (k) => this.#asked[k]?.text === wanted[k] && !this.#asked[k].signal?.aborted;
    const missing = wanted.map((_, k) => k).filter((k) => wanted[k] !== this.#made[k] && !isAsked(k));
    if (missing.length) {
      const work = this.#make(missing, wanted, signal);
      missing.forEach((k) => (this.#asked[k] = {text: wanted[k], signal, work}));
    }
    await Promise.all(wanted.map((text, k) => (text !== this.#made[k] ? this.#asked[k].work : null)));
    return missing.length;
  }

  async #make(pads, texts, signal) {
    pads.forEach((k) => this.pads.setWaiting(k, true));
    const isLast = (k) => this.#asked[k]?.text === texts[k];
    try {
      const made = await post('/api/kit', {sounds: pads.map((k) => JSON.parse(texts[k]))}, signal);
      pads.forEach((k, i) => {
        if (!isLast(k)) return; // Another sound of the pad has been asked for since.
        this.#made[k] = texts[k];
        this.voices.load(k, {samples: toSamples(made.sounds[i]), rate: made.sample_rate});
        this.pads.setWaiting(k, false);
      });
      this.sequencer.change(this.beat); // So that they are heard with the next step.
    } catch (error) {
      for (const k of pads.filter(isLast)) {
        if (this.#asked[k].signal !== signal) continue; // It has been asked for again.
        this.#asked[k] = null;
        this.pads.setWaiting(k, false);
      }
      throw error;
    }
  }

  /** Plays the chosen pad after a change, unless the beat plays it. */
  async preview() {
    await this.fill();
    if (this.page.player.context && !this.isOn) this.#strikeAndShow(this.chosen, false);
  }

  /** Plays the pad of a percussion key, as of a MIDI keyboard. */
  strikeKey(key, strength) {
    const pad = padOf(key, this.keys, this.percussion);
    if (pad >= 0) this.strike(pad, strength);
  }

  strike(pad, strength) {
    this.page.player.wake();
    this.voices.strike(pad, this.beat.tracks[pad].level / 100 * strength * strength, this.keys[pad].choke);
    this.pads.flash(pad);
  }

  toggle() {
    if (this.isOn) return this.silence();
    this.page.player.wake();
    this.#ticker ??= new Worker('/static/ticker-worker.js');
    this.#ticker.onmessage = () => this.sequencer.advance();
    this.#ticker.postMessage(true);
    this.sequencer.start(this.beat);
    this.#showPlaying();
    requestAnimationFrame(() => this.#showSteps());
    return undefined;
  }

  silence() {
    this.sequencer.stop();
    this.#ticker?.postMessage(false);
    if (this.page.player.context) this.voices.stop();
    this.#shown = [];
    this.grid.mark(null);
    this.#showPlaying();
  }

  #showPlaying() {
    $('beat-play').textContent = this.isOn ? 'Stop' : 'Play';
    $('beat-play').setAttribute('aria-pressed', this.isOn);
  }

  #playStep(step, time) {
    this.beat.tracks.forEach((track, pad) => this.voices.strike(pad, gainOf(track, step), this.keys[pad].choke, time));
    this.#shown.push({step, time});
  }

  #showSteps() {
    if (!this.isOn) return;
    const now = this.page.player.context.currentTime;
    while (this.#shown.length > 1 && this.#shown[1].time <= now) this.#shown.shift();
    if (this.#shown[0]?.time <= now) this.grid.mark(this.#shown[0].step);
    requestAnimationFrame(() => this.#showSteps());
  }

  #strikeAndShow(pad, isPointed) {
    if (isPointed) this.choose(pad);
    this.strike(pad, STRENGTH);
    const sound = this.voices.soundOf(pad);
    if (sound && !this.isOn) this.page.show(sound, nameOf(this.sounds[pad]));
  }

  #setBeat(beat, isDone) {
    this.beat = beat;
    this.sequencer.change(beat);
    if (isDone) {
      this.show();
      this.page.remember();
    }
  }

  #wire() {
    const on = (id, name, action) => $(id).addEventListener(name, () => this.page.attempt(action));
    for (const name of Object.keys(PATTERNS)) $('preset').append(new Option(name, name));
    on('beat-play', 'click', () => this.toggle());
    on('beat-clear', 'click', () => this.#setBeat(clear(this.beat), true));
    on('tempo', 'change', () => this.#setBeat(setTime(this.beat, {tempo: Number($('tempo').value)}), true));
    on('swing', 'input', () => this.#setBeat(setTime(this.beat, {swing: Number($('swing').value)}), false));
    on('swing', 'change', () => this.#setBeat(setTime(this.beat, {swing: Number($('swing').value)}), true));
    on('preset', 'change', () => {
      const name = $('preset').value;
      $('preset').value = '';
      if (name) this.#setBeat(applyPattern(this.beat, name, this.sounds.map((sound) => kindsOf(sound)[0])), true);
    });
    on('new-kit', 'click', () => {
      const seed = Math.floor(Math.random() * 2 ** 32);
      this.sounds = this.sounds.map((sound) => normalize({...sound, seed, code: null, places: []}));
      this.show();
      this.page.onChoose(this.sound, true);
    });
    for (const form of ['hydrogen', 'sfz', 'wav']) on(`save-kit-${form}`, 'click', () => this.#saveKit(form));
    on('save-beat-midi', 'click', () => this.#savePattern('midi', {bars: 1}, 'pattern.mid'));
    on('save-beat-loop', 'click', () => this.#savePattern('loop', null, 'loop.wav'));
  }

  async #saveKit(format) {
    const drums = this.sounds.map((sound, k) => ({sound, key: this.keys[k].key, level: this.beat.tracks[k].level / 100}));
    const made = await download('/api/kit/download', {drums, format}, 'kit.zip');
    save(made);
    this.page.say(`saved ${made.name} (${(made.blob.size / 1e6).toFixed(1)} MB)`);
  }

  async #savePattern(form, fields, name) {
    const {pattern, heard} = toRequest(this.beat, this.keys.map(({key}) => key));
    if (!heard.length) throw new Error('all tracks are muted');
    const body = fields ? {pattern, ...fields} : {pattern, sounds: heard.map((k) => this.sounds[k])};
    save(await download(`/api/pattern/${form}`, body, name));
    this.page.say(`saved ${name}`);
  }
}
