// A run played live over a WebSocket: blocks of curves or of sound out, blocks of curves and sound in.

import {Line} from './line.js';
import {openMicrophone} from './recorder.js';

const WORKLET = '/static/live-worklet.js';
const PATH = '/api/live';
const [AHEAD_S, MOST_AHEAD_S] = [0.03, 0.3]; // of sound that is queued when the next is asked for
// Beyond that, until it is left out: what the server was late with is heard late for ever if it is not.
const SLACK_S = {keys: 0.2, microphone: 0.08};
// Low notes take large amplitudes to be as loud as high ones.
const HEADROOM = {pitch: 0.4, latents: 1};
const PITCH_CURVES = 3; // pitch, loudness and confidence
const COUNTED = 64; // blocks that the latency is a median of
const SHOWN_MS = 500; // from one report of the latency to the next

/** The parts of an answer: curves of `frames` each, and samples. */
export function unpack(buffer, numCurves, frames) {
  const values = new Float32Array(buffer);
  const curves = Array.from({length: numCurves}, (_, i) => values.subarray(i * frames, (i + 1) * frames));
  return {curves, samples: values.subarray(numCurves * frames)};
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor(sorted.length / 2)] : NaN;
}

export class Stream {
  /**
   * @param {Player} player whose context and output it plays in
   * @param {{onBlock: function(object), onReport: function(string), onEnd: function(?string)}} calls of a
   *   block that came, of the latency twice a second, and of the end, with what went wrong
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

  /** The latency in words. */
  get report() {
    const {latency, sample_rate} = this.ready;
    const model = latency ? `, ${Math.round((1000 * latency) / sample_rate)} ms of it the model's` : '';
    const gaps = this.gaps ? `; ${this.gaps} ${this.gaps === 1 ? 'gap' : 'gaps'}` : '';
    return `Latency ${Math.round(this.latency_ms)} ms${model}${gaps}.`;
  }

  /**
   * Connects; with `follow`, a microphone is played, else the keys.
   * @param {object} message the API's `LiveStart`
   */
  async start(message) {
    this.stop();
    this.player.wake();
    const {context, master} = this.player;
    const {follow} = message;
    const stream = follow ? await openMicrophone() : null;
    await context.audioWorklet.addModule(WORKLET);
    const url = new URL(PATH, location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    const mine = {socket, stream, sent: [], queued: 0, gaps: 0};
    this.socket = socket;
    this.mine = mine;
    this.measured = [];
    this.gaps = 0;
    this.reported = 0;
    const ready = await new Promise((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify(message));
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
    const block_s = (ready.block_frames * ready.hop_length) / ready.sample_rate;
    // A microphone's block comes when the one before it has been played.
    const ahead = follow ? block_s + AHEAD_S : AHEAD_S;
    Object.assign(mine, ready, {block_s, ahead, most: ahead + MOST_AHEAD_S});
    this.ready = ready;
    mine.output = new AudioWorkletNode(context, 'live-player', {
      numberOfInputs: 0, outputChannelCount: [1], processorOptions: {rate: ready.sample_rate, ahead, slack: SLACK_S[follow ? 'microphone' : 'keys'], fills: follow},
    });
    mine.level = new GainNode(context, {gain: HEADROOM[ready.kind]});
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

  /** Plays otherwise from now on: with another `sound`, or another `change` of latents. */
  change(fields) {
    if (this.mine?.output) this.socket.send(JSON.stringify(fields));
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
      mine.ahead = Math.min(mine.most, mine.ahead + mine.block_s / 2);
      mine.output.port.postMessage({ahead: mine.ahead});
    }
    if (this.line && queued + mine.sent.length * mine.block_s < mine.ahead + mine.block_s) {
      this.#send(mine, JSON.stringify(this.line.next(mine.block_frames)));
    }
  }

  #onAnswer(mine, data) {
    if (typeof data === 'string') return this.#end(JSON.parse(data).detail);
    const since_s = (performance.now() - mine.sent.shift()) / 1000;
    const block = unpack(data, mine.kind === 'pitch' ? PITCH_CURVES : mine.latents, mine.block_frames);
    const {context} = this.player;
    const {block_s, queued, latency, sample_rate} = mine;
    // A block of the microphone was waited for; a key is waited for by half a block in the mean.
    const waited_s = mine.input ? block_s : block_s / 2;
    const output_s = (context.baseLatency || 0) + (context.outputLatency || 0);
    this.measured.push(waited_s + since_s + queued + latency / sample_rate + output_s);
    if (this.measured.length > COUNTED) this.measured.shift();
    mine.output.port.postMessage({samples: block.samples.slice()});
    this.calls.onBlock(block);
    const now = performance.now();
    if (now - this.reported > SHOWN_MS) {
      this.reported = now;
      this.calls.onReport(this.report);
    }
    return undefined;
  }
}
