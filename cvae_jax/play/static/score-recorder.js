// Records what is played in, to clicks: a bar to count in, then as long as a score lasts.

import {quantise, stepSeconds} from './score.js';

const LEAD_S = 0.1; // before the first click
const [HIGH_HZ, LOW_HZ, CLICK_S] = [1600, 1100, 0.04];

function click(context, destination, time, isFirst) {
  const oscillator = context.createOscillator();
  const envelope = context.createGain();
  oscillator.frequency.value = isFirst ? HIGH_HZ : LOW_HZ;
  envelope.gain.setValueAtTime(0.35, time);
  envelope.gain.exponentialRampToValueAtTime(0.001, time + CLICK_S);
  oscillator.connect(envelope).connect(destination);
  oscillator.start(time);
  oscillator.stop(time + CLICK_S);
  return oscillator;
}

export class ScoreRecorder {
  #clicks = [];
  #timer = 0;

  /**
   * @param {Player} player
   * @param {object} form of the scores
   */
  constructor(player, form) {
    Object.assign(this, {player, form});
    this.isOn = false;
  }

  /** Starts; `onEnd` gets the rows of the voice, if anything was played. */
  start(voice, tempo, onEnd) {
    this.player.wake();
    const {context, master} = this.player;
    const {bar_steps: bar, quarter_steps: quarter, num_steps: numSteps} = this.form;
    this.step_s = stepSeconds(this.form, tempo);
    const first = context.currentTime + LEAD_S;
    // What is heard is late by the device's latency, and so is what is played to it.
    this.zero = first + bar * this.step_s + (context.outputLatency || 0);
    Object.assign(this, {voice, onEnd, isOn: true, played: [], held: new Map()});
    for (let step = 0; step < bar + numSteps; step += quarter) {
      this.#clicks.push(click(context, master, first + step * this.step_s, step % bar === 0));
    }
    const length_s = LEAD_S + (bar + numSteps) * this.step_s;
    this.#timer = setTimeout(() => this.stop(), 1000 * (length_s + 0.2));
  }

  down(pitch) {
    if (!this.isOn) return;
    this.up(pitch);
    const start = this.player.context.currentTime - this.zero;
    this.held.set(pitch, {start, end: Infinity, pitch});
  }

  up(pitch) {
    const note = this.held?.get(pitch);
    if (!this.isOn || !note) return;
    this.held.delete(pitch);
    this.played.push({...note, end: this.player.context.currentTime - this.zero});
  }

  stop() {
    if (!this.isOn) return;
    for (const pitch of [...this.held.keys()]) this.up(pitch);
    this.isOn = false;
    clearTimeout(this.#timer);
    for (const oscillator of this.#clicks) oscillator.stop();
    this.#clicks = [];
    const rows = quantise(this.played, this.voice, this.step_s, this.form.num_steps);
    this.onEnd(rows.length ? rows : null);
  }
}
