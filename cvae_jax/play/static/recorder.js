// Records the microphone as a WAV file: samples come from an audio worklet.

const WORKLET = '/static/recorder-worklet.js';

/** A 16-bit mono WAV of samples from -1 to 1. */
export function toWav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, value) => [...value].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((x, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, x))), true));
  return new Blob([view.buffer], {type: 'audio/wav'});
}

/** The microphone's stream, as it sounds. */
export async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error('this browser gives no microphone to a page that is not of this machine or of https');
  }
  try {
    // What is meant for speech would flatten the loudness and take notes for noise.
    const audio = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
    return await navigator.mediaDevices.getUserMedia({audio});
  } catch (error) {
    throw new Error(error.name === 'NotFoundError' ? 'there is no microphone' : 'the microphone was not allowed');
  }
}

export class Recorder {
  constructor(maxSeconds) {
    this.maxSeconds = maxSeconds;
    this.blocks = null; // while it records
  }

  get isOn() {
    return this.blocks !== null;
  }

  /** Starts to record; `onFull` is called when there is no more room. */
  async start(onFull) {
    this.stream = await openMicrophone();
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule(WORKLET);
    this.node = new AudioWorkletNode(this.context, 'recorder', {numberOfOutputs: 0});
    this.blocks = [];
    let count = 0;
    this.node.port.onmessage = ({data}) => {
      if (!this.blocks) return;
      this.blocks.push(data);
      count += data.length;
      if (count > this.maxSeconds * this.context.sampleRate) onFull();
    };
    this.context.createMediaStreamSource(this.stream).connect(this.node);
  }

  /** Ends the recording: a WAV file, or null if there is none. */
  async stop() {
    const {blocks} = this;
    if (!blocks) return null;
    this.blocks = null;
    this.stream.getTracks().forEach((track) => track.stop());
    const rate = this.context.sampleRate;
    await this.context.close();
    const samples = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
    let at = 0;
    for (const block of blocks) {
      samples.set(block, at);
      at += block.length;
    }
    return new File([toWav(samples, rate)], 'recording.wav');
  }
}
