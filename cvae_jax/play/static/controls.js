// The controls of the page: displaying a sound, and reading its values.

export const $ = (id) => document.getElementById(id);

const percent = (x) => `${Math.round(100 * x)} %`;
const seconds = (x) => `${x} s`;
const semitones = (x) => (x > 0 ? `+${x}` : String(x));
const decibels = (x) => `${x} dB`;
const cents = (x) => `${x} ct`;
const FORMATS = {
  volume: percent, swing: (x) => `${x} %`, morph: percent, 'latents-weight': percent, attack: seconds, release: seconds, bend: semitones, swell: decibels, vibrato: cents,
};

/** Shows a slider's value beside it. */
export function showValue(input) {
  const output = document.querySelector(`output[for="${input.id}"]`);
  if (output) output.textContent = (FORMATS[input.id] ?? String)(Number(input.value));
}

// ---- labels: rows of controls for each label that the run is conditioned on, except the pitch

const idOf = (label, part = '') => `label-${label.name}${part}`;
const toWords = (name) => name.replaceAll('_', ' ');

function addRow(control, text, id) {
  const row = document.createElement('div');
  row.className = 'row';
  const label = document.createElement('label');
  label.htmlFor = id;
  label.textContent = text;
  row.append(label, control);
  $('labels').append(row);
  return row;
}

function makeSelect(id, values, none = null) {
  const select = document.createElement('select');
  select.id = id;
  fillChoices(select, values, none);
  return select;
}

function makeSlider(id, low, high, step, value) {
  const input = document.createElement('input');
  Object.assign(input, {id, type: 'range', min: low, max: high, step, value});
  const output = document.createElement('output');
  output.htmlFor = id;
  const both = document.createDocumentFragment();
  both.append(input, output);
  return both;
}

/** Adds the controls of a label; `onChange` is called when one of them changes. */
export function addLabel(label, mixing, onChange) {
  const title = toWords(label.name[0].toUpperCase() + label.name.slice(1));
  const ids = [idOf(label)];
  if (label.kind === 'number') {
    const lowest = label.name === 'velocity' ? Math.max(1, label.low) : label.low;
    addRow(makeSlider(idOf(label), lowest, label.high, 1, label.high), title, idOf(label));
  } else if (label.kind === 'flags') {
    const box = document.createElement('select');
    Object.assign(box, {id: idOf(label), multiple: true, size: 4});
    fillChoices(box, label.names);
    addRow(box, title, idOf(label));
  } else {
    addRow(makeSelect(idOf(label), label.names), title, idOf(label));
    if (mixing) {
      const [other, share] = [idOf(label, '-b'), idOf(label, '-mix')];
      addRow(makeSelect(other, label.names, 'none'), 'mixed with', other);
      addRow(makeSlider(share, 0, 1, 0.01, 0), 'share', share);
      FORMATS[share] = percent;
      ids.push(other, share);
      $(other).addEventListener('change', () => {
        if ($(other).value && $(share).value === '0') $(share).value = 0.5;
      });
    }
  }
  for (const id of ids) $(id).addEventListener('change', onChange);
}

/** The two names with the largest weights, and the share of the second. */
function toMix(label, value) {
  if (typeof value !== 'object') return [value, null, 0];
  const [[a, x], [b, y] = [null, 0]] = Object.entries(value).sort((p, q) => q[1] - p[1]);
  // Keeps the chosen order, whichever name has the larger weight.
  if (b && a === $(idOf(label, '-b')).value) return [b, a, x / (x + y)];
  return [a, b, y / (x + y)];
}

function showMix(label, value) {
  const [a, b, share] = toMix(label, value);
  if (!a) return;
  const [other, mix] = [$(idOf(label, '-b')), $(idOf(label, '-mix'))];
  // At either end of the slider the mix is one name: the controls keep the other.
  if (b || other.value !== a || mix.value !== '1') {
    $(idOf(label)).value = a;
    if (b) other.value = b;
    mix.value = share;
  }
  mix.disabled = !other.value;
}

/** Sets the controls of a label to a value. */
export function showLabel(label, value) {
  const control = $(idOf(label));
  if (!control || value === undefined) return;
  if ($(idOf(label, '-mix'))) showMix(label, value);
  else if (label.kind === 'flags') {
    for (const option of control.options) option.selected = value.includes(option.value);
  } else if (typeof value !== 'object') control.value = value;
}

/** The value that a label's controls are set to: a name, a mix of two, a number, or names of flags. */
export function chosenValue(label) {
  const control = $(idOf(label));
  if (label.kind === 'number') return Number(control.value);
  if (label.kind === 'flags') return [...control.selectedOptions].map((option) => option.value);
  if (!$(idOf(label, '-mix'))) return control.value;
  const [a, b, share] = [control.value, $(idOf(label, '-b')).value, Number($(idOf(label, '-mix')).value)];
  if (!b || b === a || share <= 0) return a;
  return share >= 1 ? b : {[a]: 1 - share, [b]: share};
}

/** Sets all controls to a sound; `canSample` says whether the run can sample from a seed. */
export function showSound(sound, labels, canSample) {
  for (const label of labels) showLabel(label, sound.labels[label.name]);
  $('seed').value = sound.seed;
  $('temperature').value = sound.temperature;
  $('seed').disabled = $('temperature').disabled = Boolean(sound.code);
  $('origin').textContent = sound.code ? 'from a latent code, not the seed' : '';
  $('forget').hidden = !sound.code || !canSample;
  document.querySelectorAll('input[type=range]').forEach(showValue);
}

/** Fills a list with choices; `none` is the text of the empty choice, if there is one. */
function fillChoices(select, values, none = null) {
  const option = (value, text) => {
    const made = document.createElement('option');
    [made.value, made.textContent] = [value, text];
    return made;
  };
  const options = values.map((value) => option(value, toWords(value)));
  select.replaceChildren(...(none === null ? [] : [option('', none)]), ...options);
}

/** Shows the controls that the run supports, and hides the others. */
export function showNeeds(card) {
  const has = new Set([
    ...card.conditions,
    ...(card.can_sample ? ['sampling'] : []),
    // A run that has curves of latents opens recordings as those.
    ...(card.can_encode && !card.latents ? ['encoding'] : []),
    ...(card.latents ? ['latents'] : []),
    ...(card.can_extend ? ['extending'] : []),
    ...(card.can_perform ? ['performing'] : []),
    ...(card.has_room ? ['room'] : []),
    ...(card.directions >= 2 ? ['map'] : []),
    ...(card.percussion.length ? ['drums'] : ['no-drums']),
  ]);
  document.querySelectorAll('[data-needs]').forEach((element) => {
    element.classList.toggle('missing', !has.has(element.dataset.needs));
  });
}

/** Adds the slider of direction k of the latent space, by its name; `onChange` gets its value. */
export function addDirection(k, name, onChange) {
  const row = document.createElement('div');
  row.className = 'row';
  row.innerHTML = `<label for="direction-${k}"></label>
    <input id="direction-${k}" type="range" min="-3" max="3" step="0.05"><output for="direction-${k}"></output>`;
  row.querySelector('label').textContent = name;
  $('directions').append(row);
  const input = row.querySelector('input');
  input.dataset.direction = k;
  input.addEventListener('change', () => onChange(Number(input.value)));
}
