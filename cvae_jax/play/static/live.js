// The section of live playing: keys or a voice play the sound while they sound.

import {$, showValue} from './controls.js';
import {noteName} from './keyboard.js';
import {fit} from './scope.js';
import {Stream} from './stream.js';

const SHOWN_S = 6;
const [LOW_DB, HIGH_DB] = [-80, 20];
const [LEAST_DB, MOST_DB] = [-24, 12]; // of the swell

/** The curves of the last seconds. */
class Trail {
  constructor(canvas) {
    this.canvas = canvas;
    this.frames = []; // [pitch, loudness]
    this.waits = false;
  }

  push([pitch, loudness_db], frame_s) {
    pitch.forEach((value, i) => this.frames.push([value, loudness_db[i]]));
    const most = Math.round(SHOWN_S / frame_s);
    if (this.frames.length > most) this.frames.splice(0, this.frames.length - most);
    this.most = most;
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.draw();
    });
  }

  draw() {
    const g = fit(this.canvas);
    const {width, height} = g.canvas;
    const heard = this.frames.filter(([, loudness]) => loudness > -60).map(([pitch]) => pitch).sort((a, b) => a - b);
    if (!heard.length) return;
    const at = (share) => heard[Math.floor(share * (heard.length - 1))]; // A jump of the tracker is left out.
    const scale = window.devicePixelRatio || 1;
    const [low, high] = [at(0.05) - 3, at(0.95) + 3];
    const y = (pitch) => (height * (high - pitch)) / (high - low);
    g.fillStyle = getComputedStyle(document.body).color;
    g.font = `${11 * scale}px system-ui, sans-serif`;
    g.globalAlpha = 0.45;
    const step = high - low > 20 ? 12 : high - low > 10 ? 6 : 3;
    for (let pitch = Math.ceil(low / step) * step; pitch < high; pitch += step) {
      g.fillRect(0, y(pitch), width, 0.5);
      g.fillText(noteName(pitch), 4, y(pitch) - 3);
    }
    g.globalAlpha = 1;
    g.fillStyle = getComputedStyle(this.canvas).color;
    // The line is as thick as it is loud.
    this.frames.forEach(([pitch, loudness], i) => {
      const thick = scale * 7 * Math.max(0, (loudness - LOW_DB) / (HIGH_DB - LOW_DB)) ** 2;
      if (loudness > -60) g.fillRect((i * width) / this.most, y(pitch) - thick / 2, Math.max(1, width / this.most), thick);
    });
  }
}

/** Shows a button that starts live playing, or stops it while it is on. */
export function showLive(button, text, isOn) {
  button.textContent = isOn ? 'Stop' : text;
  button.classList.toggle('recording', isOn);
  button.setAttribute('aria-pressed', String(isOn));
}

/**
 * Connects the section.
 * @param {{player: Player, sound: function(): object, say: function(string), attempt: function(function())}} page
 * @returns {{isKeys: function(): boolean, down: function, up: function, press: function, bend: function,
 *   control: function, change: function, silence: function}}
 */
export function wireLive({player, sound, say, attempt}) {
  const trail = new Trail($('live-curves'));
  const stream = new Stream(player, {
    onBlock: ({curves}) => trail.push(curves, stream.ready.hop_length / stream.ready.sample_rate),
    onReport: (text) => ($('live-hint').textContent = text),
    onEnd: (problem) => {
      showButtons(null);
      if (problem) say(problem, true);
    },
  });
  const texts = {keys: 'Play the keys live', microphone: 'Sing live'};

  function showButtons(mode) {
    for (const [name, text] of Object.entries(texts)) showLive($(`live-${name}`), text, name === mode);
  }

  let mode = null;
  async function start(wanted) {
    player.stopAll();
    mode = wanted;
    showButtons(mode);
    try {
      await stream.start({sound: sound(), follow: mode === 'microphone', in_room: $('room').checked});
    } catch (error) {
      mode = null;
      showButtons(null);
      throw error;
    }
    setControls();
    say(mode === 'keys' ? 'the keys play live' : 'sing: the sound follows your voice');
  }

  function setControls() {
    const {line} = stream;
    if (!line) return;
    line.bend = Number($('bend').value);
    line.swell_db = Number($('swell').value);
    line.vibrato_cents = Number($('vibrato').value);
  }

  function move(id, value) {
    $(id).value = value;
    showValue($(id));
    setControls();
  }

  for (const name of Object.keys(texts)) {
    $(`live-${name}`).addEventListener('click', () =>
      attempt(async () => {
        const wasOn = stream.isOn && mode === name;
        stream.stop();
        if (!wasOn) await start(name);
      }));
  }
  for (const id of ['bend', 'swell', 'vibrato']) {
    showValue($(id));
    $(id).addEventListener('input', setControls);
  }
  // A bend springs back, as the wheel of a keyboard.
  for (const end of ['pointerup', 'pointercancel', 'keyup', 'blur']) $('bend').addEventListener(end, () => move('bend', 0));
  $('room').addEventListener('change', () => stream.isOn && attempt(() => start(mode)));

  return {
    isKeys: () => stream.isOn && mode === 'keys',
    start: () => start('keys'),
    down: (pitch, strength) => stream.line?.down(pitch, strength),
    up: (pitch) => stream.line?.up(pitch),
    press: (strength, pitch) => stream.line?.press(strength, pitch),
    bend: (value) => move('bend', value),
    control: (name, value) => move(name, name === 'vibrato' ? 100 * value : LEAST_DB + (MOST_DB - LEAST_DB) * value),
    change: (made) => stream.change({sound: made}),
    silence: () => stream.line?.releaseAll(),
  };
}
