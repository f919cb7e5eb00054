// The notes of a sound by key, requested from the server nearest to the last key first.

import {post, toSamples} from './api.js';

const CHUNK = 16; // keys per request

export class Notes {
  #made = new Map(); // pitch to note
  #asking = new AbortController();

  /**
   * @param {function(): object} sound returns the sound to generate
   * @param {function(number, boolean)} onWaiting called with a pitch, and whether its note is pending
   */
  constructor(sound, onWaiting) {
    this.sound = sound;
    this.onWaiting = onWaiting;
    this.version = 0; // of the sound: answers to requests of an earlier version are discarded
  }

  /** Aborts the current requests when the sound changes. */
  get signal() {
    return this.#asking.signal;
  }

  has(pitch) {
    return this.#made.has(pitch);
  }

  /** Discards the notes; pending requests continue, and their notes may still be played. */
  drop() {
    this.version += 1;
    this.#made = new Map();
  }

  /** Discards the notes and aborts pending requests. */
  renew() {
    this.drop();
    this.#asking.abort();
    this.#asking = new AbortController();
  }

  /** The note of a key, requested if it is not there yet. */
  async at(pitch) {
    const asked = this.version;
    if (this.has(pitch)) return this.#made.get(pitch);
    const note = (await this.#make([pitch], this.signal)).get(pitch);
    if (asked === this.version) this.#made.set(pitch, note);
    this.onWaiting(pitch, false);
    return note;
  }

  /** Requests the missing notes of these pitches, nearest to `near` first. */
  async fill(pitches, near) {
    const {version, signal} = this;
    const missing = pitches.filter((pitch) => !this.has(pitch));
    missing.sort((a, b) => Math.abs(a - near) - Math.abs(b - near));
    const chunks = [];
    for (let i = 0; i < missing.length; i += CHUNK) chunks.push(missing.slice(i, i + CHUNK));
    const work = async () => {
      for (let chunk = chunks.shift(); chunk; chunk = chunks.shift()) {
        const made = await this.#make(chunk, signal);
        if (version !== this.version) return;
        for (const [pitch, note] of made) {
          this.#made.set(pitch, note);
          this.onWaiting(pitch, false);
        }
      }
    };
    // Two requests at a time: the server generates one while the other is transferred.
    await Promise.all([work(), work()]);
  }

  async #make(pitches, signal) {
    const made = await post('/api/instrument', {sound: this.sound(), pitches, draft: true}, signal);
    const rate = made.sample_rate;
    return new Map(
      made.keys.map((key) => [
        key.pitch,
        {samples: toSamples(key.audio), rate, loop: key.loop, gain: made.gain},
      ]),
    );
  }
}
