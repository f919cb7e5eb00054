// Waveform and spectrogram of a note, drawn once when it is played.

const SIZE = 512;
const FLOOR_DB = -80;

/** Magnitude spectrum of a real signal, by an in-place radix-2 FFT. */
function magnitudes(re) {
  const n = re.length;
  const im = new Float32Array(n);
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j]] = [re[j], re[i]];
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k++) {
      const angle = (-2 * Math.PI * k) / size;
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      for (let i = k; i < n; i += size) {
        const [r, q] = [re[i + half] * c - im[i + half] * s, re[i + half] * s + im[i + half] * c];
        [re[i + half], im[i + half]] = [re[i] - r, im[i] - q];
        re[i] += r;
        im[i] += q;
      }
    }
  }
  return Float32Array.from({length: n / 2}, (_, k) => Math.hypot(re[k], im[k]));
}

/** The context of a canvas that has as many pixels as the screen shows of it. */
export function fit(canvas) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, canvas.clientWidth * scale);
  canvas.height = Math.max(1, canvas.clientHeight * scale);
  return canvas.getContext('2d');
}

export function drawWave(canvas, samples) {
  const g = fit(canvas);
  const {width, height} = canvas;
  g.fillStyle = getComputedStyle(canvas).color;
  for (let x = 0; x < width; x++) {
    const [from, to] = [Math.floor((x / width) * samples.length), Math.floor(((x + 1) / width) * samples.length)];
    let [low, high] = [0, 0];
    for (let i = from; i < to; i++) {
      low = Math.min(low, samples[i]);
      high = Math.max(high, samples[i]);
    }
    const top = (0.5 - 0.48 * high) * height;
    g.fillRect(x, top, 1, Math.max(1, 0.48 * (high - low) * height));
  }
}

// Dark to light: luminance increases, so the map also works in greyscale.
const COLORS = [[13, 8, 35], [72, 24, 98], [150, 45, 90], [222, 95, 55], [251, 185, 60], [252, 250, 200]];

function color(share) {
  const at = Math.max(0, Math.min(0.9999, share)) * (COLORS.length - 1);
  const i = Math.floor(at);
  return COLORS[i].map((c, k) => c + (at - i) * (COLORS[i + 1][k] - c));
}

export function drawSpectrogram(canvas, samples) {
  const frames = 200;
  const bins = SIZE / 2;
  const levels = new Float32Array(frames * bins);
  const hop = (samples.length - SIZE) / (frames - 1);
  let loudest = 1e-9;
  const frame = new Float32Array(SIZE);
  for (let n = 0; n < frames; n++) {
    const start = Math.round(n * hop);
    for (let i = 0; i < SIZE; i++) {
      frame[i] = samples[start + i] * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));
    }
    levels.set(magnitudes(frame.slice()), n * bins);
  }
  for (const level of levels) loudest = Math.max(loudest, level);
  const image = new ImageData(frames, bins);
  for (let n = 0; n < frames; n++) {
    for (let k = 0; k < bins; k++) {
      const db = 20 * Math.log10(levels[n * bins + k] / loudest + 1e-9);
      const at = 4 * ((bins - 1 - k) * frames + n);
      image.data.set([...color(1 - db / FLOOR_DB), 255], at);
    }
  }
  const g = fit(canvas);
  const small = new OffscreenCanvas(frames, bins);
  small.getContext('2d').putImageData(image, 0, 0);
  g.imageSmoothingEnabled = true;
  g.drawImage(small, 0, 0, canvas.width, canvas.height);
}
