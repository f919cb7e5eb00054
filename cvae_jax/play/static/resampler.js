// Changes the sample rate of sound that arrives block by block: a windowed sinc, at any ratio.

const ZEROS = 16; // zero crossings of the sinc to either side
const PASS = 0.92; // of half the lower rate that passes
const STEPS = 256; // of the kernel's table, from sample to sample

export class Resampler {
  /** From and to are rates in Hz. */
  constructor(from, to) {
    this.ratio = from / to;
    this.cutoff = PASS * Math.min(1, to / from);
    this.half = Math.ceil(ZEROS / this.cutoff);
    this.table = this.#tabulate();
    this.buffer = new Float32Array(2 * this.half); // silence before the first sample
    this.at = this.half; // of the next output, in samples of the buffer
  }

  /** Values of the windowed sinc from 0 to the end of the window, `STEPS` a sample. */
  #tabulate() {
    return Float32Array.from({length: (this.half + 2) * STEPS}, (_, i) => {
      const x = i / STEPS;
      const y = Math.PI * this.cutoff * x;
      const window = x < this.half ? 0.5 + 0.5 * Math.cos((Math.PI * x) / this.half) : 0;
      return this.cutoff * window * (y < 1e-9 ? 1 : Math.sin(y) / y);
    });
  }

  #kernel(x) {
    const place = Math.abs(x) * STEPS;
    const i = Math.floor(place);
    return this.table[i] + (place - i) * (this.table[i + 1] - this.table[i]);
  }

  /** The next samples in; what of the output they complete. */
  push(block) {
    if (this.ratio === 1) return block.slice();
    const joined = new Float32Array(this.buffer.length + block.length);
    joined.set(this.buffer);
    joined.set(block, this.buffer.length);
    const made = [];
    while (this.at + this.half < joined.length) {
      const first = Math.floor(this.at) - this.half + 1;
      let sum = 0;
      for (let i = first; i < first + 2 * this.half; i++) sum += joined[i] * this.#kernel(i - this.at);
      made.push(sum);
      this.at += this.ratio;
    }
    const keep = Math.max(0, Math.floor(this.at) - this.half);
    this.buffer = joined.slice(keep);
    this.at -= keep;
    return Float32Array.from(made);
  }
}
