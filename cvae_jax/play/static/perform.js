// The section of melodies: a recording is traced, its curves are bent, and the sound plays them.

import {download, save, upload} from './api.js';
import {$} from './controls.js';
import {Melody} from './melody.js';
import {wireFile, wireRecorder} from './source.js';
import {Take} from './take.js';

/**
 * Connects the section; returns a function that traces a file.
 * @param {{player: Player, sound: function(): object, say: function(string), attempt: function(function())}} page
 */
export function wirePerformance(page) {
  const {player, sound, say, attempt} = page;
  const melody = new Melody($('melody-pitch'), $('melody-loudness'), () => attempt(play));
  const buttons = ['melody-play', 'melody-reset', 'melody-save'].map($);
  const take = new Take(player, 'melody', () => {
    const {pitch, loudness_db, traced} = melody;
    const body = {sound: sound(), pitch, loudness_db, gain_db: traced.gain_db, in_room: $('room').checked};
    return download('/api/perform', body, 'melody.wav');
  });

  async function play() {
    say('playing the melody');
    const played = await take.play();
    if (played) say(`the melody: ${played.duration.toFixed(1)} s`);
  }

  async function trace(file) {
    player.wake();
    say(`tracing ${file.name}`);
    const traced = await upload('/api/melody', file);
    melody.set(traced);
    take.drop();
    buttons.forEach((button) => (button.disabled = false));
    const moved = traced.semitones ? `transposed by ${traced.semitones > 0 ? '+' : ''}${traced.semitones} semitones. ` : '';
    $('melody-hint').textContent = traced.warning
      ? `${moved}${traced.warning}.`
      : `${moved}Drag a curve to bend it; the arrow keys move all of it.`;
    await play();
  }

  const on = (id, name, action) => $(id).addEventListener(name, (event) => attempt(() => action(event)));
  wireRecorder($('record'), page, {prompt: 'recording: sing or play one note at a time', onFile: trace});
  wireFile($('melody-file'), attempt, trace);
  on('melody-play', 'click', play);
  on('room', 'change', () => melody.traced && play());
  on('melody-reset', 'click', () => {
    melody.reset();
    return play();
  });
  on('melody-save', 'click', async () => save(await take.wav()));
  return trace;
}
