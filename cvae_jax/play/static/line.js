// A line of one note at a time as curves of pitch and loudness: keys with glides, bends and swells.

const GLIDE_S = 0.015; // time constants
const ATTACK_S = 0.02;
const SMOOTH_S = 0.012; // of bends and swells
const ATTACK_DB = 30; // below its loudness, where a note begins
const RELEASE_DB_PER_S = 250;
const [VIBRATO_HZ, VIBRATO_DELAY_S] = [5.5, 0.3];
export const SILENCE_DB = -80;

/** The value at a share (0 to 1) of evenly spaced quantiles. */
export function quantileAt(quantiles, share) {
  const place = Math.min(1, Math.max(0, share)) * (quantiles.length - 1);
  const i = Math.min(quantiles.length - 2, Math.floor(place));
  return quantiles[i] + (place - i) * (quantiles[i + 1] - quantiles[i]);
}

export class Line {
  /**
   * @param {number} frame_s seconds of a frame
   * @param {number[]} loudness_db quantiles of the loudness that strokes are mapped to
   */
  constructor(frame_s, loudness_db) {
    this.frame_s = frame_s;
    this.quantiles = loudness_db;
    this.held = []; // {pitch, strength}: the last one sounds
    this.bend = 0; // semitones
    this.swell_db = 0;
    this.vibrato_cents = 15;
    this.pitch = 60;
    this.level_db = SILENCE_DB;
    this.bent = 0;
    this.swollen_db = 0;
    this.since_s = 0; // of the note that sounds
  }

  down(pitch, strength) {
    this.up(pitch);
    if (!this.held.length && this.level_db < SILENCE_DB + 20) this.pitch = pitch; // No slur out of silence.
    this.held.push({pitch, strength});
    this.since_s = 0;
  }

  up(pitch) {
    this.held = this.held.filter((note) => note.pitch !== pitch);
  }

  /** Changes the strength of a note that is held, or without a pitch of all. */
  press(strength, pitch = null) {
    for (const note of this.held) if (pitch === null || note.pitch === pitch) note.strength = strength;
  }

  releaseAll() {
    this.held = [];
  }

  #frame() {
    const toward = (value, target, constant_s) => value + (target - value) * (1 - Math.exp(-this.frame_s / constant_s));
    this.bent = toward(this.bent, this.bend, SMOOTH_S);
    this.swollen_db = toward(this.swollen_db, this.swell_db, SMOOTH_S);
    const note = this.held.at(-1);
    if (note) {
      this.pitch = toward(this.pitch, note.pitch, GLIDE_S);
      const target = quantileAt(this.quantiles, 0.05 + 0.9 * note.strength);
      this.level_db = toward(Math.max(this.level_db, target - ATTACK_DB), target, ATTACK_S);
    } else {
      this.level_db = Math.max(SILENCE_DB, this.level_db - RELEASE_DB_PER_S * this.frame_s);
    }
    this.since_s += this.frame_s;
    const growth = Math.min(1, Math.max(0, (this.since_s - VIBRATO_DELAY_S) / VIBRATO_DELAY_S));
    const vibrato = growth * this.vibrato_cents * 0.01 * Math.sin(2 * Math.PI * VIBRATO_HZ * (this.since_s - VIBRATO_DELAY_S));
    const pitch = Math.min(127, Math.max(0, this.pitch + this.bent + vibrato));
    const isSilent = this.level_db <= SILENCE_DB;
    const loudness = isSilent ? SILENCE_DB : Math.max(SILENCE_DB, this.level_db + this.swollen_db);
    return [pitch, loudness];
  }

  /** The curves of the next frames. */
  next(count) {
    const frames = Array.from({length: count}, () => this.#frame());
    return {pitch: frames.map(([pitch]) => pitch), loudness_db: frames.map(([, loudness]) => loudness)};
  }
}
