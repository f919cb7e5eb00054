// Strokes of pads, started at exact times of the audio clock. Pads of one choke group cut each other off.

const CHOKE_S = 0.005; // fade of a stroke that is cut off, the same as in synthesis/drum_rendering.py

export class DrumVoices {
  #buffers = new Map(); // by pad, of the player's context
  #sounds = new Map(); // by pad
  #voices = new Set();

  constructor(player) {
    this.player = player;
  }

  /** Sets the sound of a pad; strokes that were handed over keep the one before. */
  load(pad, sound) {
    this.#sounds.set(pad, sound);
    this.#buffers.delete(pad);
  }

  /** The sound of a pad: {samples, rate}; undefined before it is loaded. */
  soundOf(pad) {
    return this.#sounds.get(pad);
  }

  #bufferOf(pad) {
    const {context} = this.player;
    let buffer = this.#buffers.get(pad);
    if (buffer?.context === context) return buffer.audio;
    const {samples, rate} = this.#sounds.get(pad);
    const audio = context.createBuffer(1, samples.length, rate);
    audio.copyToChannel(samples, 0);
    buffer = {context, audio};
    this.#buffers.set(pad, buffer);
    return audio;
  }

  /**
   * Plays a pad at a time of the audio clock.
   * @param {number} pad
   * @param {number} gain
   * @param {number} choke group of which one pad sounds at a time; 0 for none
   * @param {?number} time now if null
   */
  strike(pad, gain, choke, time = null) {
    if (!this.#sounds.has(pad) || gain <= 0) return;
    const {context, master} = this.player;
    const at = time ?? context.currentTime;
    const source = context.createBufferSource();
    source.buffer = this.#bufferOf(pad);
    const envelope = context.createGain();
    envelope.gain.value = gain;
    source.connect(envelope).connect(master);
    const voice = {source, envelope, gain, choke, at, end: Infinity};
    if (choke) {
      const others = [...this.#voices].filter((other) => other.choke === choke);
      for (const other of others) if (other.at < at) this.#end(other, at);
      const next = Math.min(...others.filter((other) => other.at > at).map((other) => other.at));
      if (next < Infinity) this.#end(voice, next);
    }
    source.start(at);
    if (voice.end < Infinity) source.stop(voice.end + CHOKE_S);
    voice.started = true;
    this.#voices.add(voice);
    source.onended = () => {
      envelope.disconnect();
      this.#voices.delete(voice);
    };
  }

  #end(voice, time) {
    if (time >= voice.end) return;
    voice.end = time;
    const {gain} = voice.envelope;
    gain.cancelScheduledValues(voice.at);
    gain.setValueAtTime(voice.gain, time);
    gain.linearRampToValueAtTime(0, time + CHOKE_S);
    if (voice.started) voice.source.stop(time + CHOKE_S);
  }

  /** Takes back the strokes from a time on, and lets those ring on that these would have cut off. */
  takeBack(time) {
    for (const voice of this.#voices) {
      if (voice.at >= time) {
        voice.source.stop();
        this.#voices.delete(voice);
      } else if (voice.end >= time && voice.end < Infinity) {
        voice.end = Infinity;
        voice.envelope.gain.cancelScheduledValues(time);
        voice.source.stop(voice.at + voice.source.buffer.duration);
      }
    }
  }

  /** Cuts off all strokes, and takes back those that are to come. */
  stop() {
    for (const voice of this.#voices) {
      const now = this.player.context.currentTime;
      if (voice.at < now) this.#end(voice, now);
      else voice.source.stop();
    }
    this.#voices.clear();
  }
}
