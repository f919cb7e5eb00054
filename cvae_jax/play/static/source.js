// The recordings of a section: of a microphone, or of a file.

import {Recorder} from './recorder.js';

const MAX_S = 60; // of a recording, the same as in the server

/** Has an input of files hand over the file that is chosen. */
export function wireFile(input, attempt, onFile) {
  input.addEventListener('change', () => attempt(async () => {
    const [file] = input.files;
    input.value = '';
    if (file) await onFile(file);
  }));
}

/**
 * Has a button record the microphone, and hand over the recording when it is clicked again.
 * @param {HTMLButtonElement} button
 * @param {{player: Player, say: function(string), attempt: function(function())}} page
 * @param {{prompt: string, onFile: function(File)}} use what to say while it records, and what takes the recording
 */
export function wireRecorder(button, {player, say, attempt}, {prompt, onFile}) {
  const recorder = new Recorder(MAX_S);
  const text = button.textContent;

  function show(isOn) {
    button.textContent = isOn ? 'Stop and play' : text;
    button.classList.toggle('recording', isOn);
  }

  async function finish() {
    const file = await recorder.stop();
    show(false);
    if (file) await onFile(file);
  }

  button.addEventListener('click', () => attempt(async () => {
    if (recorder.isOn) return finish();
    player.wake();
    player.stopAll();
    await recorder.start(() => attempt(finish));
    show(true);
    return say(prompt);
  }));
}
