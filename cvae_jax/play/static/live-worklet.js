// The audio thread's part of live playing: a queue of sound to play, and a microphone to send.

import {Resampler} from './resampler.js';

/** Plays what it is sent. Reports how much is queued, and how often there was nothing left. */
class LivePlayer extends AudioWorkletProcessor {
  constructor({processorOptions: {rate, ahead, slack, fills}}) {
    super();
    this.resampler = new Resampler(rate, sampleRate);
    this.blocks = [];
    this.at = 0; // in the first block
    this.queued = 0; // samples
    this.ahead = ahead; // seconds that are queued before it begins
    this.slack = slack; // seconds that may be queued beyond them
    this.fills = fills; // with silence up to them, instead of waiting for more
    this.isPlaying = false;
    this.gaps = 0;
    this.port.onmessage = ({data}) => this.#take(data);
  }

  #take({samples, ahead}) {
    if (ahead !== undefined) this.ahead = ahead;
    if (!samples) return;
    const block = this.resampler.push(samples);
    if (this.fills && !this.isPlaying) {
      const missing = Math.ceil(this.ahead * sampleRate) - this.queued - block.length;
      if (missing > 0) this.#queue(new Float32Array(missing));
    }
    this.#queue(block);
    // Of a clock that runs faster than ours, or of blocks that were late, too much would pile up.
    while (this.queued > (this.ahead + this.slack) * sampleRate && this.blocks.length > 1) this.#drop();
  }

  #queue(block) {
    this.blocks.push(block);
    this.queued += block.length;
  }

  #drop() {
    this.queued -= this.blocks[0].length - this.at;
    this.blocks.shift();
    this.at = 0;
  }

  process(inputs, [output]) {
    const [channel] = output;
    if (!this.isPlaying && this.queued >= this.ahead * sampleRate) this.isPlaying = this.queued > 0;
    if (this.isPlaying) {
      let done = 0;
      while (done < channel.length && this.blocks.length) {
        const block = this.blocks[0];
        const part = block.subarray(this.at, this.at + channel.length - done);
        channel.set(part, done);
        done += part.length;
        this.at += part.length;
        this.queued -= part.length;
        if (this.at >= block.length) {
          this.blocks.shift();
          this.at = 0;
        }
      }
      if (done < channel.length) {
        this.isPlaying = false;
        this.gaps += 1;
      }
    }
    this.port.postMessage({queued: this.queued / sampleRate, gaps: this.gaps, time: currentTime});
    return true;
  }
}

/** Sends its input in blocks of `size` samples at `rate`. */
class LiveMicrophone extends AudioWorkletProcessor {
  constructor({processorOptions: {rate, size}}) {
    super();
    this.resampler = new Resampler(sampleRate, rate);
    this.block = new Float32Array(size);
    this.filled = 0;
  }

  process([input]) {
    if (!input.length) return true;
    for (const sample of this.resampler.push(input[0])) {
      this.block[this.filled++] = sample;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor('live-player', LivePlayer);
registerProcessor('live-microphone', LiveMicrophone);
