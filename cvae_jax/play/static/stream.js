// A run played live over a WebSocket: blocks of curves or of sound out, blocks of sound in.

import {Line} from './line.js';
import {openMicrophone} from './recorder.js';

const WORKLET = '/static/live-worklet.js';
const PATH = '/api/live';
const BLOCK_FRAMES = 4;
const [AHEAD_S, MOST_AHEAD_S] = [0.03, 0.3]; // of sound that is queued when the next is asked for
const HEADROOM = 0.4; // of low notes, which take large amplitudes to be as loud as high ones
const COUNTED = 64; // blocks that the latency is a median of

/** The parts of an answer: N frames of pitch, loudness and confidence, and samples. */
export function unpack(buffer, count) {
  const values = new Float32Array(buffer);
  const part = (i) => values.subarray(i * count, (i + 1) * count);
  return {pitch: part(0), loudness_db: part(1), confidence: part(2), samples: values.subarray(3 * count)};
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor(sorted.length / 2)] : NaN;
}

export class Stream {
  /**
   * @param {Player} player whose context and output it plays in
   * @param {{onBlock: function(object), onEnd: function(?string)}} calls of a block that came, and of the
   *   end, with what went wrong
   */
  constructor(player, calls) {
    this.player = player;
    this.calls = calls;
    this.line = null; // while keys are played live
    this.socket = null;
    this.gaps = 0;
  }

  get isOn() {
    return this.socket !== null;
  }

  /** Milliseconds from a key or a sung sample to what is heard of it. */
  get latency_ms() {
    return 1000 * median(this.measured ?? []);
  }

  /** Connects; with `follow`, a microphone is played, else the keys. */
  async start(sound, {follow, inRoom}) {
    this.stop();
    this.player.wake();
    const {context, master} = this.player;
    const stream = follow ? await openMicrophone() : null;
    await context.audioWorklet.addModule(WORKLET);
    const url = new URL(PATH, location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    const mine = {socket, stream, sent: [], queued: 0, gaps: 0, ahead: AHEAD_S};
    this.socket = socket;
    this.mine = mine;
    this.measured = [];
    this.gaps = 0;
    const ready = await new Promise((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify({sound, block_frames: BLOCK_FRAMES, follow, in_room: inRoom}));
      socket.onerror = () => reject(new Error('the connection for live playing failed'));
      socket.onclose = () => reject(new Error('the server does not play live'));
      socket.onmessage = ({data}) => {
        const answer = JSON.parse(data);
        if (answer.detail) reject(new Error(answer.detail));
        else resolve(answer);
      };
    }).catch((error) => {
      this.#close(mine);
      throw error;
    });
    if (this.mine !== mine) return this.#close(mine);
    Object.assign(mine, ready, {block_s: (ready.block_frames * ready.hop_length) / ready.sample_rate});
    this.ready = ready;
    mine.output = new AudioWorkletNode(context, 'live-player', {
      numberOfInputs: 0, outputChannelCount: [1], processorOptions: {rate: ready.sample_rate, ahead: AHEAD_S},
    });
    mine.level = new GainNode(context, {gain: HEADROOM});
    mine.output.connect(mine.level).connect(master);
    mine.output.port.onmessage = ({data}) => this.#onQueue(mine, data);
    socket.onmessage = ({data}) => this.#onAnswer(mine, data);
    socket.onerror = null;
    socket.onclose = () => this.mine === mine && this.#end('the server closed the connection');
    if (follow) {
      const options = {rate: ready.sample_rate, size: ready.block_frames * ready.hop_length};
      mine.input = new AudioWorkletNode(context, 'live-microphone', {numberOfOutputs: 0, processorOptions: options});
      mine.source = context.createMediaStreamSource(stream);
      mine.source.connect(mine.input);
      mine.input.port.onmessage = ({data}) => this.#send(mine, data);
    } else {
      this.line = new Line(ready.hop_length / ready.sample_rate, ready.loudness_db);
    }
  }

  /** Plays another sound from now on. */
  change(sound) {
    if (this.mine?.output) this.socket.send(JSON.stringify({sound}));
  }

  stop() {
    if (!this.isOn) return;
    this.#end(null);
  }

  #end(problem) {
    const {mine} = this;
    this.#close(mine);
    this.calls.onEnd(problem);
  }

  #close(mine) {
    mine.socket.onclose = mine.socket.onmessage = mine.socket.onerror = null;
    mine.socket.close();
    mine.stream?.getTracks().forEach((track) => track.stop());
    for (const node of [mine.source, mine.input, mine.output, mine.level]) node?.disconnect();
    if (this.mine === mine) this.mine = this.socket = this.line = null;
  }

  #send(mine, message) {
    if (mine.socket.readyState !== WebSocket.OPEN) return;
    // What a server that is too slow cannot play is left out.
    if (mine.sent.length * mine.block_s > MOST_AHEAD_S) return;
    mine.sent.push(performance.now());
    mine.socket.send(message);
  }

  #onQueue(mine, {queued, gaps}) {
    if (this.mine !== mine) return;
    mine.queued = queued;
    if (gaps > mine.gaps) {
      mine.gaps = this.gaps = gaps;
      mine.ahead = Math.min(MOST_AHEAD_S, mine.ahead + mine.block_s / 2);
      mine.output.port.postMessage({ahead: mine.ahead});
    }
    if (this.line && queued + mine.sent.length * mine.block_s < mine.ahead + mine.block_s) {
      this.#send(mine, JSON.stringify(this.line.next(mine.block_frames)));
    }
  }

  #onAnswer(mine, data) {
    if (typeof data === 'string') return this.#end(JSON.parse(data).detail);
    const since_s = (performance.now() - mine.sent.shift()) / 1000;
    const block = unpack(data, mine.block_frames);
    const {context} = this.player;
    const {block_s, queued, latency, sample_rate} = mine;
    // A block of the microphone was waited for; a key is waited for by half a block in the mean.
    const waited_s = mine.input ? block_s : block_s / 2;
    const output_s = (context.baseLatency || 0) + (context.outputLatency || 0);
    this.measured.push(waited_s + since_s + queued + latency / sample_rate + output_s);
    if (this.measured.length > COUNTED) this.measured.shift();
    mine.output.port.postMessage({samples: block.samples.slice()});
    this.calls.onBlock(block);
    return undefined;
  }
}
