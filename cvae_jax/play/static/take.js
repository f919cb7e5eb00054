// What a section plays: a WAV that the server makes of its curves as they are.

const RATE_AT = 24; // of the sample rate in a WAV's header

/** The samples of a WAV at its own sample rate, to which a context decodes only if it has it. */
function decode(bytes) {
  const rate = new DataView(bytes).getUint32(RATE_AT, true);
  return new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
}

export class Take {
  /**
   * @param {Player} player
   * @param {string} key of the voice
   * @param {function(): Promise<{name: string, blob: Blob}>} request asks the server for the WAV
   */
  constructor(player, key, request) {
    this.player = player;
    this.key = key;
    this.request = request;
    this.asked = 0;
    this.made = null;
  }

  /** Forgets the WAV, of curves that are no more. */
  drop() {
    this.asked += 1;
    this.made = null;
  }

  /** The WAV, requested if it is not there. */
  async wav() {
    return this.made ?? this.request();
  }

  /** Requests and plays it from a second on: its voice, samples and rate; undefined if a later one is on its way. */
  async play(from_s = 0) {
    this.player.wake();
    this.drop();
    const number = this.asked;
    const wav = await this.request();
    if (number !== this.asked) return undefined;
    this.made = wav;
    const buffer = await decode(await wav.blob.arrayBuffer());
    if (number !== this.asked) return undefined;
    const [samples, rate] = [buffer.getChannelData(0), buffer.sampleRate];
    const voice = this.player.start(this.key, {samples: samples.subarray(Math.round(from_s * rate)), rate, loop: null});
    return {voice, samples, rate, duration: buffer.duration};
  }
}
