// Plays scores one after the other, by an instrument for each melody and a kit for drums.

import {get, toSamples} from './api.js';
import {DrumVoices} from './drum-voices.js';
import {NoteVoices} from './note-voices.js';
import {isDrums, stepSeconds} from './score.js';
import {Sequencer} from './sequencer.js';

const GAIN = 0.6; // of a note, about that of velocity 100

export class ScoreBand {
  #shown = []; // steps that are to be marked, with their times
  #ticker = null;
  #kit = null;
  #next = null; // scores that are played from the next repetition on

  /**
   * @param {Player} player
   * @param {object} form of the scores
   * @param {{onStep: function(?number, number), onEnd: function()}} calls of a step that sounds, within the scores
   *   that are played, and the number of its score; null when nothing sounds any more
   */
  constructor(player, form, calls) {
    Object.assign(this, {player, form, calls});
    this.scores = [];
    this.loops = true;
    this.tempo = 120;
    this.drums = new DrumVoices(player);
    this.lines = new Map(form.voices.filter((voice) => !isDrums(voice)).map((voice) => [voice.name, new NoteVoices(player, voice.program)]));
    const clock = {
      now: () => player.context.currentTime,
      onStep: (step, time) => this.#playStep(step, time),
      onTakeBack: (time) => {
        this.drums.takeBack(time);
        for (const line of this.lines.values()) line.takeBack(time);
        this.#shown = this.#shown.filter((shown) => shown.time < time);
      },
    };
    this.sequencer = new Sequencer(clock, {
      offsetOf: ({tempo}, step) => step * stepSeconds(form, tempo),
      countOf: ({scores}) => Math.max(1, scores.length * form.num_steps),
    });
  }

  get isOn() {
    return this.sequencer.isOn;
  }

  setFamily(family) {
    this.lines.get('melody')?.setFamily(family);
  }

  /** Requests the sounds that scores need. */
  async load(scores) {
    const work = [...this.lines].map(([name, line]) => line.load(scores.flatMap((notes) => notes[name].map((row) => row[2]))));
    if (this.form.voices.some(isDrums)) work.push(this.#loadKit());
    await Promise.all(work);
  }

  #loadKit() {
    this.#kit ??= get('/api/scores/kit').then((kit) => {
      kit.sounds.forEach((text, k) => this.drums.load(k, {samples: toSamples(text), rate: kit.sample_rate}));
      this.chokes = kit.chokes;
    });
    this.#kit.catch(() => (this.#kit = null));
    return this.#kit;
  }

  /** Plays scores from their start, once their sounds are there. */
  async start(scores, {tempo, loops}) {
    this.player.wake();
    this.stop();
    const mine = (this.starting = {});
    await this.load(scores);
    if (mine !== this.starting) return;
    Object.assign(this, {scores, tempo, loops});
    this.#next = null;
    this.#ticker ??= new Worker('/static/ticker-worker.js');
    this.#ticker.onmessage = () => this.sequencer.advance();
    this.#ticker.postMessage(true);
    this.sequencer.start({scores, tempo});
    requestAnimationFrame(() => this.#showSteps());
  }

  /** Plays other scores, or a tempo, from the next step on. */
  change({scores = this.scores, tempo = this.tempo}) {
    Object.assign(this, {scores, tempo});
    this.sequencer.change({scores, tempo});
  }

  /** Plays other scores from the next repetition on. */
  follow(scores) {
    if (this.isOn) this.#next = scores;
  }

  stop() {
    this.starting = null;
    if (!this.isOn && !this.#shown.length) return; // What was handed over may still sound.
    this.sequencer.stop();
    this.#ticker?.postMessage(false);
    this.drums.stop();
    for (const line of this.lines.values()) line.stop();
    this.#shown = [];
    this.calls.onStep(null, 0);
  }

  /** Plays a note, or a class of drums, that is pressed; what ends it. */
  press(voice, pitch, strength) {
    this.player.wake();
    if (isDrums(voice)) {
      this.drums.strike(pitch, strength * strength, this.chokes?.[pitch] ?? 0);
      return () => {};
    }
    const line = this.lines.get(voice.name);
    const played = line.play(pitch, GAIN * strength * strength);
    return () => played && line.release(played);
  }

  #playStep(step, time) {
    const {num_steps: numSteps} = this.form;
    if (step === 0 && this.#next) {
      this.scores = this.#next;
      this.#next = null;
      this.sequencer.beat = {scores: this.scores, tempo: this.tempo};
    }
    if (step === 0 && !this.loops && this.#shown.length) {
      this.#shown.push({step: null, time});
      this.sequencer.stop();
      return;
    }
    const at = step % numSteps;
    const notes = this.scores[Math.floor(step / numSteps)] ?? {};
    const step_s = stepSeconds(this.form, this.tempo);
    for (const [name, rows] of Object.entries(notes)) {
      for (const row of rows) {
        if (row[0] !== at) continue;
        if (name === 'drums') this.drums.strike(row[1], GAIN, this.chokes[row[1]], time);
        else this.lines.get(name).play(row[2], GAIN, time, (row[1] - row[0]) * step_s);
      }
    }
    this.#shown.push({step, time});
  }

  #showSteps() {
    if (!this.#shown.length) return;
    const now = this.player.context.currentTime;
    while (this.#shown.length > 1 && this.#shown[1].time <= now) this.#shown.shift();
    const [{step, time}] = this.#shown;
    if (time <= now && step === null) {
      this.#ticker?.postMessage(false);
      this.#shown = [];
      this.calls.onStep(null, 0);
      return;
    }
    if (time <= now) this.calls.onStep(step % this.form.num_steps, Math.floor(step / this.form.num_steps));
    requestAnimationFrame(() => this.#showSteps());
  }
}
