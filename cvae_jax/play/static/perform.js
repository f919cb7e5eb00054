// The section of melodies: a recording is traced, its curves are bent, and the sound plays them.

import {download, save, upload} from './api.js';
import {$} from './controls.js';
import {Melody} from './melody.js';
import {Recorder} from './recorder.js';

const MAX_S = 60; // of a recording, the same as in the server
const PATH = '/api/perform';

/**
 * Connects the section; returns a function that traces a file.
 * @param {{player: Player, sound: function(): object, say: function(string), attempt: function(function())}} page
 */
export function wirePerformance({player, sound, say, attempt}) {
  const recorder = new Recorder(MAX_S);
  let made = null; // the WAV of the curves as they are
  let asked = 0;
  const melody = new Melody($('melody-pitch'), $('melody-loudness'), () => attempt(play));
  const buttons = ['melody-play', 'melody-reset', 'melody-save'].map($);

  async function perform() {
    const {pitch, loudness_db, traced} = melody;
    const body = {sound: sound(), pitch, loudness_db, gain_db: traced.gain_db, in_room: $('room').checked};
    return download(PATH, body, 'melody.wav');
  }

  async function play() {
    player.wake();
    const number = ++asked;
    say('playing the melody');
    const wav = await perform();
    if (number !== asked) return; // A later one is on its way.
    made = wav;
    const buffer = await player.context.decodeAudioData(await wav.blob.arrayBuffer());
    player.start('melody', {samples: buffer.getChannelData(0), rate: buffer.sampleRate, loop: null});
    say(`the melody: ${buffer.duration.toFixed(1)} s`);
  }

  async function trace(file) {
    player.wake();
    say(`tracing ${file.name}`);
    const traced = await upload('/api/melody', file);
    melody.set(traced);
    made = null;
    buttons.forEach((button) => (button.disabled = false));
    const moved = traced.semitones ? `transposed by ${traced.semitones > 0 ? '+' : ''}${traced.semitones} semitones. ` : '';
    $('melody-hint').textContent = traced.warning
      ? `${moved}${traced.warning}.`
      : `${moved}Drag a curve to bend it; the arrow keys move all of it.`;
    await play();
  }

  async function finish() {
    const file = await recorder.stop();
    $('record').textContent = 'Record';
    $('record').classList.remove('recording');
    if (file) await trace(file);
  }

  const on = (id, name, action) => $(id).addEventListener(name, (event) => attempt(() => action(event)));
  on('record', 'click', async () => {
    if (recorder.isOn) return finish();
    player.wake();
    player.stopAll();
    await recorder.start(() => attempt(finish));
    $('record').textContent = 'Stop and play';
    $('record').classList.add('recording');
    say('recording: sing or play one note at a time');
  });
  on('melody-file', 'change', async () => {
    const [file] = $('melody-file').files;
    $('melody-file').value = '';
    if (file) await trace(file);
  });
  on('melody-play', 'click', play);
  on('room', 'change', () => melody.traced && play());
  on('melody-reset', 'click', () => {
    melody.reset();
    return play();
  });
  on('melody-save', 'click', async () => save(made ?? (await perform())));
  return trace;
}
