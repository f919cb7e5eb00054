// Plays notes with Web Audio: voices with attack, loop and release, mixed through one limiter.

export class Player {
  constructor() {
    this.context = null;
    this.attack = 0;
    this.release = 0.2;
    this.volume = 0.7;
    this.voices = new Map(); // by key
  }

  /**
   * Starts or resumes audio; called at every user gesture, which browsers require. They also stop it
   * later: iOS interrupts it for calls and the lock screen, others suspend or close it.
   */
  wake() {
    if (!this.context || this.context.state === 'closed') {
      this.voices.clear(); // Voices of a closed context have ended.
      this.context = new AudioContext({latencyHint: 'interactive'});
      this.master = this.context.createGain();
      const limiter = this.context.createDynamicsCompressor();
      limiter.threshold.value = -6;
      limiter.ratio.value = 12;
      limiter.attack.value = 0.002;
      this.master.connect(limiter).connect(this.context.destination);
      this.setVolume(this.volume);
    }
    if (this.context.state !== 'running') this.#resume();
  }

  async #resume() {
    try {
      await this.context.resume();
    } catch {
      // The browser requires another gesture.
    }
  }

  setVolume(volume) {
    this.volume = volume;
    // Perceived loudness is roughly logarithmic: a linear gain would change it mostly at the lower end.
    if (this.master) this.master.gain.value = 0.6 * volume * volume;
  }

  /**
   * Plays a note until `stop` is called with its key.
   * @param {string} key identifies the voice; starting it again replaces it
   * @param {{samples: Float32Array, rate: number, loop: ?{start: number, end: number}}} note
   * @param {number} gain
   * @returns {object} the voice, which is among `voices` while it sounds
   */
  start(key, note, gain = 1) {
    this.wake();
    this.stop(key, 0.02);
    const {context} = this;
    const buffer = context.createBuffer(1, note.samples.length, note.rate);
    buffer.copyToChannel(note.samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    if (note.loop) {
      source.loop = true;
      source.loopStart = note.loop.start / note.rate;
      source.loopEnd = note.loop.end / note.rate;
    }
    const envelope = context.createGain();
    const now = context.currentTime;
    envelope.gain.setValueAtTime(this.attack > 0 ? 0 : gain, now);
    if (this.attack > 0) envelope.gain.linearRampToValueAtTime(gain, now + this.attack);
    source.connect(envelope).connect(this.master);
    source.start();
    const voice = {source, envelope};
    source.onended = () => {
      envelope.disconnect();
      if (this.voices.get(key) === voice) this.voices.delete(key);
    };
    this.voices.set(key, voice);
    return voice;
  }

  /** Releases a note. */
  stop(key, release = this.release) {
    const voice = this.voices.get(key);
    if (!voice) return;
    this.voices.delete(key);
    const now = this.context.currentTime;
    const {gain} = voice.envelope;
    if (gain.cancelAndHoldAtTime) gain.cancelAndHoldAtTime(now);
    else gain.cancelScheduledValues(now);
    gain.setTargetAtTime(0, now, release / 5); // -43 dB after the release.
    voice.source.stop(now + release * 1.5);
  }

  stopAll() {
    for (const key of [...this.voices.keys()]) this.stop(key, 0.05);
  }
}
