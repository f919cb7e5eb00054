// Starts the page of scores, and connects its controls, its keys and the files that are dropped on it.

import {get} from './api.js';
import {$, addLabel, chosenValue, showValue} from './controls.js';
import {DrumPads} from './drum-pads.js';
import {Keyboard, noteName} from './keyboard.js';
import {ScorePage, STRENGTH} from './score-page.js';
import {addAttributes, addTabs} from './score-view.js';
import {isDrums, silence, SLOTS, TEMPO} from './score.js';
import {wireFile} from './source.js';

function wire(page) {
  const on = (id, name, action) => $(id).addEventListener(name, (event) => page.attempt(() => action(event)));
  on('play-strip', 'click', () => page.toggle({kind: 'strip'}));
  on('play-slot', 'click', () => page.toggle({kind: 'slot', index: page.slot}));
  for (const id of ['play-mix', 'mix-tile']) {
    on(id, 'click', () => {
      page.choose({kind: 'mix'});
      return page.toggle({kind: 'mix'});
    });
  }
  on('tempo', 'change', () => {
    const tempo = Math.min(TEMPO[1], Math.max(TEMPO[0], Math.round(Number($('tempo').value)) || page.state.tempo));
    page.state = {...page.state, tempo};
    page.showState();
    page.remember();
    if (page.band.isOn) page.band.change({tempo});
  });
  on('steps', 'change', () => page.change({steps: Number($('steps').value)}));
  on('family', 'change', () => page.change({family: $('family').value}));
  on('loop', 'change', () => (page.band.loops = $('loop').checked));
  on('volume', 'input', () => page.player.setVolume(Number($('volume').value)));
  on('new', 'click', () => page.draw([page.slot]));
  on('new-all', 'click', () => page.draw([0, 1, 2, 3]));
  on('similar', 'click', () => page.similar());
  on('clear', 'click', () => page.setNotes(page.slot, silence(page.form)));
  on('record', 'click', () => page.record());
  on('voice', 'change', () => page.setVoice($('voice').value));
  on('up', 'click', () => page.shift(6));
  on('down', 'click', () => page.shift(-6));
  on('attributes-reset', 'click', () => page.changeSlot(page.slot, {...page.state.slots[page.slot], attributes: {}}));
  on('temperature', 'input', () => showValue($('temperature')));
  on('copy-to', 'change', () => {
    const slot = SLOTS.indexOf($('copy-to').value);
    $('copy-to').value = '';
    return slot < 0 ? undefined : page.copy(slot);
  });
  for (const format of ['midi', 'wav']) {
    on(`save-strip-${format}`, 'click', () => page.save(format, true));
    on(`save-chosen-${format}`, 'click', () => page.save(format, false));
  }
  on('undo', 'click', () => page.travel(-1));
  on('redo', 'click', () => page.travel(1));
  on('share', 'click', () => page.share());
  on('silence', 'click', () => page.silence());
  wireFile($('file'), (action) => page.attempt(action), (file) => page.read(file));
  for (const name of ['dragover', 'drop']) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      const file = name === 'drop' && event.dataTransfer.files[0];
      if (file) page.attempt(() => page.read(file));
    });
  }
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && page.player.context) page.player.wake();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') page.silence();
    const isFree = !event.target.closest?.('button, input, select, label, canvas') && !event.repeat;
    if (event.code === 'Space' && isFree && !isDrums(page.form.voices[0])) {
      event.preventDefault();
      page.attempt(() => page.toggle({kind: 'strip'}));
    }
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z' || event.target.matches?.('input[type=number]')) return;
    event.preventDefault();
    page.attempt(() => page.travel(event.shiftKey ? 1 : -1));
  });
  window.addEventListener('hashchange', () => {
    if (location.hash === page.link || !page.open(location.hash)) return;
    page.attempt(() => page.change({}));
  });
}

/** Adds the keyboard, or the pads, and a MIDI keyboard. */
function addKeys(page) {
  const [{classes, keys: kit, low, high, name}] = page.form.voices;
  const isKit = name === 'drums';
  const toClass = (pitch) => kit.findIndex((group) => group.includes(pitch));
  const keyboard = new Keyboard($('keyboard'), {
    onDown: (pitch, strength) => (isKit ? toClass(pitch) >= 0 && page.down(toClass(pitch), strength) : page.down(pitch, strength)),
    onUp: (pitch) => page.up(isKit ? toClass(pitch) : pitch),
    onShift: () => {
      const {pitches} = keyboard;
      $('range').textContent = `${noteName(pitches[0])} to ${noteName(pitches.at(-1))}`;
      const voice = page.voice.name === 'drums' ? page.form.voices[0] : page.voice;
      if (!isKit) page.attempt(() => page.band.lines.get(voice.name).load(pitches.filter((pitch) => pitch >= low && pitch <= high)));
    },
  });
  if (isKit) {
    keyboard.usesCodes = false;
    keyboard.draw = () => {};
    document.querySelectorAll('.of-melody').forEach((element) => (element.hidden = true));
    $('keys-names').textContent = 'Pads: A S D F G H J K L;';
    const pads = new DrumPads($('keyboard'), classes.length, {
      onStrike: (pad) => {
        page.down(pad, STRENGTH);
        page.up(pad);
        pads.flash(pad);
      },
      onPlay: () => page.attempt(() => page.toggle({kind: 'strip'})),
    });
    pads.show(classes.map((text) => text[0].toUpperCase() + text.slice(1)), null);
  } else {
    keyboard.trained = [low, high];
    keyboard.shown = null;
    keyboard.draw();
    page.onVoice = () => keyboard.calls.onShift();
    $('lower').addEventListener('click', () => keyboard.shift(-1));
    $('higher').addEventListener('click', () => keyboard.shift(1));
  }
  keyboard.listenToMidi((text) => ($('midi').textContent = text), () => {}, () => page.silence());
}

async function addFamilies(page) {
  if (page.form.voices[0].name !== 'melody') return;
  const {families} = await get('/api/scores/families');
  $('family').replaceChildren(...families.map((name) => new Option(name.replaceAll('_', ' '), name)));
  $('family').value = page.state.family ?? 'keyboard';
  $('family-label').hidden = !families.length;
}

async function start() {
  const [card, form] = await Promise.all([get('/api/model'), get('/api/scores')]);
  document.title = `${card.name}: play`;
  $('run').textContent = `${card.name}, ${card.step.toLocaleString('en')} steps`;
  const page = new ScorePage(card, form);
  addTabs((slot) => page.edit(slot));
  addAttributes(form.attributes, (name, amount, isDone) => page.attempt(() => page.move(name, amount, isDone)));
  for (const label of card.labels) {
    addLabel(label, false, () => page.attempt(() => page.change({labels: {...page.state.labels, [label.name]: chosenValue(label)}})));
  }
  $('labels-part').hidden = !card.labels.length;
  $('voice').replaceChildren(...form.voices.map(({name}) => new Option(name, name)));
  $('voice-label').hidden = form.voices.length < 2;
  page.begin();
  page.open(location.hash);
  showValue($('temperature'));
  wire(page);
  addKeys(page);
  page.attempt(() => addFamilies(page));
  await page.attempt(() => page.change({}));
}

start().catch((error) => {
  $('status').textContent = error.message;
  $('status').classList.add('bad');
});
