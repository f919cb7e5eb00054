// Sends the samples of its first input's first channel to the page, block by block.

class Recorder extends AudioWorkletProcessor {
  process([input]) {
    if (input.length) this.port.postMessage(input[0].slice());
    return true;
  }
}

registerProcessor('recorder', Recorder);
