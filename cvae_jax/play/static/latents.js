// The section of latents: curves of a recording, of the prior or of a microphone, changed and played.

import {download, post, save, upload} from './api.js';
import {$, showValue} from './controls.js';
import {begin, heardAll} from './curves.js';
import {showLive} from './live.js';
import {Rows} from './rows.js';
import {wireFile, wireRecorder} from './source.js';
import {Stream} from './stream.js';
import {Take} from './take.js';

const FIRST = 8; // rows that are shown at once
const DRAWN_S = 8;
const BEFORE_S = 0.5; // that is heard before what was changed
const HINT = 'Drag across a curve to draw it; scale and shift act on all of it, also while you play live. The number of a row resets it.';
const LIVE = 'Play the microphone live';

/**
 * Connects the section.
 * @param {{player: Player, sound: function(): object, say: function(string), attempt: function(function()),
 *   show: function(object, string), remember: function()}} page
 * @param {number} numLatents curves that the run has
 * @returns {{open: function(File, boolean), edit: object, restore: function(object), silence: function()}}
 */
export function wireLatents(page, numLatents) {
  const {player, sound, say, attempt, show, remember} = page;
  let edit = begin(Array.from({length: numLatents}, () => [0]), 0);
  const rows = new Rows($('latents-rows'), numLatents, {onEdit, onPoint: say});
  const take = new Take(player, 'latents', () =>
    download('/api/latents/play', {codes: heardAll(edit), num_samples: edit.num_samples}, 'latents.wav'));
  const stream = new Stream(player, {
    onBlock: ({curves}) => rows.push(curves),
    onReport: (text) => ($('latents-hint').textContent = text),
    onEnd: (problem) => {
      showStream(false);
      if (problem) say(problem, true);
    },
  });

  function showStream(isOn) {
    showLive($('latents-live'), LIVE, isOn);
    rows.setLive(isOn);
    if (!isOn) $('latents-hint').textContent = HINT;
  }

  /** Shows an edit in all of the section's controls. */
  function showEdit() {
    rows.show(edit);
    $('latents-mix').hidden = !edit.second;
    $('latents-weight').value = edit.weight;
    showValue($('latents-weight'));
    for (const id of ['play', 'save', 'second']) $(`latents-${id}`).disabled = !edit.num_samples;
    $('latents-another').hidden = !edit.num_samples;
  }

  function onEdit(made, isDone, from_s = 0) {
    edit = made;
    take.drop();
    stream.change({change: {scale: edit.scale, bias: edit.shift}});
    if (!isDone) return;
    showEdit();
    remember();
    attempt(() => play(Math.max(0, from_s - BEFORE_S)));
  }

  // ---- playing

  const isPlaying = (voice) => voice && player.voices.get('latents') === voice;
  let voice = null;

  async function play(from_s = 0) {
    if (stream.isOn) return;
    if (!edit.num_samples) {
      player.stop('latents');
      return;
    }
    say('playing the latents');
    const played = await take.play(from_s);
    if (!played) return;
    ({voice} = played);
    const began = player.context.currentTime - from_s;
    say(`the latents: ${played.duration.toFixed(1)} s`);
    show(played, `latents, ${played.duration.toFixed(1)} s`);
    $('latents-play').textContent = 'Stop';
    follow(voice, () => (player.context.currentTime - began) / played.duration);
  }

  /** Shows the place of a voice while it sounds. */
  function follow(mine, share) {
    if (isPlaying(mine)) {
      rows.setPlace(Math.min(1, share()));
      requestAnimationFrame(() => follow(mine, share));
    } else if (!isPlaying(voice)) {
      rows.setPlace(null);
      $('latents-play').textContent = 'Play';
    }
  }

  // ---- where curves come from

  async function load(made) {
    stream.stop();
    rows.frame_s = made.frame_s;
    onEdit(begin(made.codes, made.num_samples), true);
  }

  /** Opens a recording; with `isSecond`, the one that the first is mixed with. */
  async function open(file, isSecond = false) {
    player.wake();
    say(`encoding ${file.name}`);
    const made = await upload('/api/latents', file);
    if (!isSecond || !edit.num_samples) return load(made);
    const num_samples = Math.max(edit.num_samples, made.num_samples);
    return onEdit({...edit, second: made.codes, weight: 0.5, num_samples}, true);
  }

  async function draw() {
    player.wake();
    say('drawing from the prior');
    const seed = Math.floor(Math.random() * 2 ** 32);
    await load(await post('/api/latents/draw', {seconds: DRAWN_S, seed, temperature: sound().temperature}));
  }

  async function startLive() {
    player.stopAll();
    take.drop();
    showStream(true);
    say('connecting');
    try {
      const change = {scale: edit.scale, bias: edit.shift};
      await stream.start({sound: {seed: sound().seed}, follow: true, change});
    } catch (error) {
      showStream(false);
      throw error;
    }
    rows.frame_s = stream.ready.hop_length / stream.ready.sample_rate;
    say('the microphone plays live: use headphones');
  }

  const on = (id, name, action) => $(`latents-${id}`).addEventListener(name, (event) => attempt(() => action(event)));
  wireFile($('latents-file'), attempt, (file) => open(file));
  wireFile($('latents-second'), attempt, (file) => open(file, true));
  wireRecorder($('latents-record'), page, {prompt: 'recording: any sound', onFile: open});
  on('draw', 'click', draw);
  on('live', 'click', () => (stream.isOn ? stream.stop() : startLive()));
  on('play', 'click', () => {
    if (isPlaying(voice)) return player.stop('latents');
    stream.stop();
    return play();
  });
  on('reset', 'click', () => onEdit({...begin(edit.first, edit.num_samples), second: edit.second, weight: edit.weight}, true));
  on('save', 'click', async () => save(await take.wav()));
  on('weight', 'input', () => onEdit({...edit, weight: Number($('latents-weight').value)}, false));
  on('weight', 'change', () => onEdit(edit, true));
  on('all', 'click', () => {
    const isLess = $('latents-all').getAttribute('aria-expanded') === 'true';
    showRows(isLess ? FIRST : numLatents);
  });

  function showRows(most) {
    rows.limit(most);
    $('latents-all').setAttribute('aria-expanded', String(most > FIRST));
    $('latents-all').textContent = most > FIRST ? 'Show fewer' : `Show all ${numLatents}`;
  }

  $('latents-all').hidden = numLatents <= FIRST;
  showRows(Math.min(FIRST, numLatents));
  $('latents-hint').textContent = HINT;
  showEdit();
  return {
    open,
    get edit() {
      return edit;
    },
    restore(made) {
      edit = made;
      take.drop();
      stream.change({change: {scale: edit.scale, bias: edit.shift}});
      showEdit();
      attempt(play);
    },
    silence() {
      take.drop();
      stream.stop();
    },
  };
}
