// Plays a beat, or a score, on a clock: steps are handed over ahead of their time, so that the audio thread keeps it. Steps that
// are to come are taken back when the beat changes, and handed over anew.

import {offsetOf, STEPS} from './pattern.js';

export const LOOK_AHEAD_S = 0.8; // that steps are handed over ahead: what the page may be busy for
const START_S = 0.06; // from the start to the first step
const KEPT_S = 0.15; // before its time a step is not taken back any more: what taking back may last
const LATEST_S = 0.05; // that a late step is still played

export class Sequencer {
  #ahead = []; // steps that were handed over and are to come, with their times

  /**
   * @param {{now: function(): number, onStep: function(number, number), onTakeBack: function(number)}} calls
   *   the clock in seconds; `onStep` gets a step and its time on that clock, and `onTakeBack` the time from which
   *   on steps are taken back
   * @param {{offsetOf: function(object, number): number, countOf: function(object): number}} times
   *   seconds from the start of a beat to a step, and its number of steps; those of a pattern if not given
   */
  constructor(calls, times = {offsetOf, countOf: () => STEPS}) {
    this.calls = calls;
    this.times = times;
    this.isOn = false;
    this.late = 0; // steps handed over after their time
    this.dropped = 0; // of these, those that came too late to be played
  }

  start(beat) {
    this.beat = beat;
    this.isOn = true;
    this.step = 0;
    this.time = this.calls.now() + START_S;
    this.#ahead = [];
    this.advance();
  }

  stop() {
    this.isOn = false;
  }

  /** Plays another beat, or the same with other sounds, from the next step on. */
  change(beat) {
    this.beat = beat;
    if (!this.isOn) return;
    this.step %= this.times.countOf(beat);
    const from = this.calls.now() + KEPT_S;
    const first = this.#ahead.findIndex(({time}) => time > from);
    if (first >= 0) {
      ({step: this.step, time: this.time} = this.#ahead[first]);
      this.#ahead.length = first;
      this.calls.onTakeBack(this.time);
    }
    this.advance();
  }

  /** Hands over the steps of the next moments; to be called more often than once in LOOK_AHEAD_S. */
  advance() {
    if (!this.isOn) return;
    const now = this.calls.now();
    this.#ahead = this.#ahead.filter(({time}) => time > now);
    while (this.isOn && this.time < now + LOOK_AHEAD_S) {
      const isLate = this.time < now;
      if (isLate) this.late += 1;
      if (now - this.time > LATEST_S) {
        this.dropped += 1;
      } else {
        this.calls.onStep(this.step, isLate ? now : this.time);
        this.#ahead.push({step: this.step, time: this.time});
      }
      // By differences, so that a new tempo begins with the next step.
      const {beat, times} = this;
      this.time += times.offsetOf(beat, this.step + 1) - times.offsetOf(beat, this.step);
      this.step = (this.step + 1) % times.countOf(beat);
    }
  }
}
