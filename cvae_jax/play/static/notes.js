// The notes of a sound by key: made by the server, those near the last key first.

import {post, toSamples} from './api.js';

const CHUNK = 16; // keys that are asked for at a time

export class Notes {
  #made = new Map(); // pitch to what sounds there
  #asking = new AbortController();

  /**
   * @param {function(): object} sound that they are made of
   * @param {function(number, boolean)} onWaiting with a pitch, and whether its note is to come
   */
  constructor(sound, onWaiting) {
    this.sound = sound;
    this.onWaiting = onWaiting;
    this.version = 0; // of the sound: what was asked for before it changed is dropped
  }

  /** Aborted as soon as what is asked for now is of no use. */
  get signal() {
    return this.#asking.signal;
  }

  has(pitch) {
    return this.#made.has(pitch);
  }

  /** Forgets the notes of another sound; what is on its way may still be heard. */
  drop() {
    this.version += 1;
    this.#made = new Map();
  }

  /** Forgets them, and what is on its way as well. */
  renew() {
    this.drop();
    this.#asking.abort();
    this.#asking = new AbortController();
  }

  /** The note of a key, made on the spot if it is not there yet. */
  async at(pitch) {
    const asked = this.version;
    if (this.has(pitch)) return this.#made.get(pitch);
    const note = (await this.#make([pitch], this.signal)).get(pitch);
    if (asked === this.version) this.#made.set(pitch, note);
    this.onWaiting(pitch, false);
    return note;
  }

  /** Makes those of these pitches that are not there, the ones near `near` first. */
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
    // Two at a time: while one is on its way, the next is being made.
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
