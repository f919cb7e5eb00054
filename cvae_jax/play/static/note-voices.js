// Notes of an instrument, started at exact times of the audio clock, from samples of every third semitone.

import {post, toSamples} from './api.js';

const EVERY = 3; // semitones between samples
const RELEASE_S = 0.12; // time constant, the same as in synthesis/rendering.py
const TAIL_S = 6 * RELEASE_S;

/** The pitch whose sample plays a pitch. */
export const sampledPitch = (pitch) => EVERY * Math.round(pitch / EVERY);

export class NoteVoices {
  #samples = new Map(); // by pitch
  #asked = new Map(); // by pitch: the request
  #voices = new Set();

  /**
   * @param {Player} player
   * @param {number} program of General MIDI
   */
  constructor(player, program) {
    this.player = player;
    this.program = program;
    this.family = null;
  }

  /** Plays another family from here on. */
  setFamily(family) {
    if (family === this.family) return;
    this.family = family;
    this.#samples = new Map();
    this.#asked = new Map();
  }

  /** Requests the samples of pitches that are missing. */
  async load(pitches) {
    const asked = this.#asked;
    const wanted = [...new Set(pitches.map(sampledPitch))];
    const missing = wanted.filter((pitch) => !asked.has(pitch));
    if (missing.length) {
      const work = this.#request(missing, asked);
      missing.forEach((pitch) => asked.set(pitch, work));
    }
    await Promise.all(wanted.map((pitch) => asked.get(pitch)));
  }

  async #request(pitches, asked) {
    const samples = this.#samples;
    try {
      const made = await post('/api/scores/sound', {pitches, program: this.program, family: this.family});
      for (const key of made.keys) samples.set(key.pitch, {samples: toSamples(key.audio), rate: made.sample_rate, loop: key.loop});
    } catch (error) {
      pitches.forEach((pitch) => asked.delete(pitch));
      throw error;
    }
  }

  #bufferOf(sample) {
    const {context} = this.player;
    if (sample.context === context) return sample.buffer;
    sample.context = context;
    sample.buffer = context.createBuffer(1, sample.samples.length, sample.rate);
    sample.buffer.copyToChannel(sample.samples, 0);
    return sample.buffer;
  }

  /**
   * Plays a note at a time of the audio clock.
   * @param {number} pitch
   * @param {number} gain
   * @param {?number} time now if null
   * @param {number} duration_s until it is released; Infinity until `release` is called
   * @returns {?object} the voice; null if the sample is not there yet
   */
  play(pitch, gain, time = null, duration_s = Infinity) {
    const sample = this.#samples.get(sampledPitch(pitch));
    if (!sample) return null;
    const {context, master} = this.player;
    const at = time ?? context.currentTime;
    const source = context.createBufferSource();
    source.buffer = this.#bufferOf(sample);
    source.playbackRate.value = 2 ** ((pitch - sampledPitch(pitch)) / 12);
    if (sample.loop) {
      source.loop = true;
      source.loopStart = sample.loop.start / sample.rate;
      source.loopEnd = sample.loop.end / sample.rate;
    }
    const envelope = context.createGain();
    envelope.gain.value = gain;
    source.connect(envelope).connect(master);
    source.start(at);
    const voice = {source, envelope, at, end: Infinity};
    this.#voices.add(voice);
    source.onended = () => {
      envelope.disconnect();
      this.#voices.delete(voice);
    };
    if (duration_s < Infinity) this.release(voice, at + duration_s);
    return voice;
  }

  /** Releases a voice at a time, now if null. */
  release(voice, time = null, release_s = RELEASE_S) {
    const at = time ?? this.player.context.currentTime;
    voice.end = at;
    voice.envelope.gain.setTargetAtTime(0, at, release_s);
    voice.source.stop(at + (release_s / RELEASE_S) * TAIL_S);
  }

  /** Takes back the notes from a time on. */
  takeBack(time) {
    for (const voice of this.#voices) {
      if (voice.at < time) continue;
      voice.source.stop();
      this.#voices.delete(voice);
    }
  }

  /** Ends all notes, and takes back those that are to come. */
  stop() {
    const {context} = this.player;
    if (!context) return;
    for (const voice of this.#voices) {
      if (voice.at < context.currentTime) this.release(voice, context.currentTime, 0.02);
      else voice.source.stop();
    }
    this.#voices.clear();
  }
}
