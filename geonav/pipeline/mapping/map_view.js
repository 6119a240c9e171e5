'use strict';
// The map in 3D on a canvas: x east, y north, z up, in metres from the middle of all. Points are set pixel by pixel
// with a depth each, so that no graphics processor is needed; references and lines are drawn over them.
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId('data').textContent);
const canvas = byId('canvas'), pen = canvas.getContext('2d', { alpha: false });
const SHADES = 24;
const LONGEST_PX = 26, SHORTEST_PX = 7, FRUSTUM_M = 1;

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const plus = (a, b, times = 1) => [a[0] + times * b[0], a[1] + times * b[1], a[2] + times * b[2]];

const clouds = data.parts.map((part, number) => {
  const text = atob(byId(`points${number}`).textContent), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return { at: part.at, points: new Float32Array(bytes.buffer) };
});
data.views.forEach((view) => {
  view.from = data.parts[view.part].at;
  view.eye = plus(view.from, view.at);
  // Where a source says nothing of one direction, the line stays level with the reference in it.
  view.source = view.moved.some((shift) => shift !== null) ? plus(view.eye, view.moved.map((shift) => shift || 0), -1) : null;
  view.shown = true;
});
const numPoints = clouds.reduce((sum, cloud) => sum + cloud.points.length / 3, 0);

// Hues go round the circle by the golden ratio and leave out red, which is for suspects.
const hueOf = (number) => 45 + ((0.607 + 0.618034 * number) % 1) * 275;

// Colours as the theme has them now: of the paper, the ink, the suspects, and of each part's points from far to near.
let theme = null;
function colours() {
  const probe = document.body.appendChild(document.createElement('i'));
  const rgb = (css) => { probe.style.color = css; return getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number); };
  const paper = rgb('var(--panel)');
  const packed = ([r, g, b]) => (255 << 24 | Math.round(b) << 16 | Math.round(g) << 8 | Math.round(r)) >>> 0;
  const shades = clouds.map((_, number) => {
    const own = rgb(`hsl(${hueOf(number)} 45% var(--light))`);
    return Uint32Array.from({ length: SHADES }, (__, i) => {
      const share = 0.22 + 0.68 * i / (SHADES - 1);
      return packed(own.map((value, k) => paper[k] + share * (value - paper[k])));
    });
  });
  theme = { paper: packed(paper), ink: `rgb(${rgb('var(--ink)')})`, soft: `rgb(${rgb('var(--soft)')})`, bad: `rgb(${rgb('var(--bad)')})`,
    parts: clouds.map((_, number) => `rgb(${rgb(`hsl(${hueOf(number)} 75% var(--light))`)})`), shades };
  probe.remove();
}

// The whole: the middle of all references and how far from it they stand; of points those that are not strays.
const whole = (() => {
  const eyes = data.views.map((view) => view.eye);
  clouds.forEach(({ at, points }) => {
    const step = 3 * Math.max(1, Math.floor(points.length / 3 / 400));
    for (let i = 0; i + 2 < points.length; i += step) eyes.push([at[0] + points[i], at[1] + points[i + 1], at[2] + points[i + 2]]);
  });
  if (!eyes.length) return { middle: [0, 0, 0], radius: 10 };
  const cut = (k) => { const all = eyes.map((eye) => eye[k]).sort((a, b) => a - b), out = Math.floor(0.04 * all.length); return [all[out], all[all.length - 1 - out]]; };
  const spans = [0, 1, 2].map(cut);
  return { middle: spans.map(([low, high]) => (low + high) / 2), radius: Math.max(3, Math.hypot(...spans.map(([low, high]) => high - low)) / 2) };
})();

// Whoever looks: at a target from a distance, at an azimuth and downwards by a pitch, both in radians.
const look = { target: whole.middle, distance: 1, azimuth: 0, pitch: 0.8 };
let chosen = -1, lens = null, buffer = null;

function aim() {
  const [sa, ca, sp, cp] = [Math.sin(look.azimuth), Math.cos(look.azimuth), Math.sin(look.pitch), Math.cos(look.pitch)];
  const forward = [sa * cp, ca * cp, -sp], right = [ca, -sa, 0], down = [-sa * sp, -ca * sp, -cp];
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio)), height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  lens = { forward, right, down, ratio, width, height, focal: 1.1 * Math.min(width, height), eye: plus(look.target, forward, -look.distance) };
}
// Where a place is seen: pixels, and how far before the eye; null behind it.
function seen(place) {
  const way = plus(place, lens.eye, -1), depth = dot(way, lens.forward);
  if (depth < 0.01 * look.distance) return null;
  return [lens.width / 2 + lens.focal * dot(way, lens.right) / depth, lens.height / 2 + lens.focal * dot(way, lens.down) / depth, depth];
}

function drawPoints() {
  const { width, height, focal, ratio, right, down, forward } = lens;
  if (!buffer || buffer.image.width !== width || buffer.image.height !== height) {
    const image = pen.createImageData(width, height);
    buffer = { image, pixels: new Uint32Array(image.data.buffer), depths: new Float32Array(width * height) };
  }
  const { pixels, depths } = buffer;
  pixels.fill(theme.paper);
  depths.fill(Infinity);
  const least = numPoints < 40000 ? 2 * ratio : ratio, near = look.distance - whole.radius, span = 2 * whole.radius;
  for (let number = 0; byId('with-points').checked && number < clouds.length; number += 1) {
    const { at, points } = clouds[number], shades = theme.shades[number];
    const from = plus(at, lens.eye, -1), x0 = dot(from, right), y0 = dot(from, down), z0 = dot(from, forward);
    for (let i = 0; i < points.length; i += 3) {
      const x = points[i], y = points[i + 1], z = points[i + 2];
      const depth = z0 + x * forward[0] + y * forward[1] + z * forward[2];
      if (depth < 0.01 * look.distance) continue;
      const side = Math.round(Math.min(5 * ratio, Math.max(least, 0.02 * focal / depth)));
      const left = Math.round(width / 2 + focal * (x0 + x * right[0] + y * right[1]) / depth - side / 2);
      const top = Math.round(height / 2 + focal * (y0 + x * down[0] + y * down[1] + z * down[2]) / depth - side / 2);
      if (left < 0 || top < 0 || left + side > width || top + side > height) continue;
      const shade = shades[Math.max(0, Math.min(SHADES - 1, Math.round((SHADES - 1) * (1 - (depth - near) / span))))];
      for (let row = top; row < top + side; row += 1) {
        for (let k = row * width + left; k < row * width + left + side; k += 1) {
          if (depth < depths[k]) { depths[k] = depth; pixels[k] = shade; }
        }
      }
    }
  }
  pen.putImageData(buffer.image, 0, 0);
}

function line(...places) {
  const ends = places.map(seen);
  if (ends.includes(null)) return;
  pen.beginPath();
  ends.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
}
// A pyramid that opens the way the camera looks: about a metre long, and never lost or in the way on the screen.
function drawView(view, isChosen) {
  const at = seen(view.eye);
  view.pixel = at && [at[0] / lens.ratio, at[1] / lens.ratio];
  if (!at) return;
  const perPixel = at[2] / lens.focal * lens.ratio, grown = isChosen ? 1.6 : 1;
  const length = grown * Math.min(LONGEST_PX * perPixel, Math.max(SHORTEST_PX * perPixel, FRUSTUM_M));
  const [right, down, ahead] = [0, 3, 6].map((k) => view.axes.slice(k, k + 3)), middle = plus(view.eye, ahead, length);
  const [a, b] = view.lens.map((half) => half * length);
  const corners = [[-a, -b], [a, -b], [a, b], [-a, b]].map(([x, y]) => plus(plus(middle, right, x), down, y));
  pen.strokeStyle = view.suspect ? theme.bad : theme.parts[view.part];
  pen.globalAlpha = view.shown || isChosen ? 1 : 0.18;
  pen.lineWidth = (isChosen ? 3 : view.suspect ? 2 : 1.2) * lens.ratio;
  line(...corners, corners[0]);
  corners.forEach((corner) => line(view.eye, corner));
  line(corners[0], plus(middle, down, -1.5 * b), corners[1]); // which side is up
}
function drawSource(view, isChosen) {
  if (!view.source) return;
  pen.strokeStyle = pen.fillStyle = view.suspect ? theme.bad : isChosen ? theme.ink : theme.soft;
  pen.globalAlpha = view.shown || isChosen ? 0.9 : 0.12;
  pen.lineWidth = (isChosen ? 2.5 : 1) * lens.ratio;
  line(view.eye, view.source);
  const at = seen(view.source), radius = (isChosen ? 4 : 2) * lens.ratio;
  if (at) { pen.beginPath(); pen.arc(at[0], at[1], radius, 0, 7); pen.fill(); }
}
// Where north is, in the corner.
function drawNorth() {
  const [x, y, reach] = [30 * lens.ratio, 34 * lens.ratio, 18 * lens.ratio], up = [lens.right[1] * reach, lens.down[1] * reach];
  pen.globalAlpha = 1;
  pen.strokeStyle = pen.fillStyle = theme.ink;
  pen.lineWidth = 2 * lens.ratio;
  pen.font = `${12 * lens.ratio}px sans-serif`;
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  pen.beginPath(); pen.moveTo(x - up[0] * 0.6, y - up[1] * 0.6); pen.lineTo(x + up[0] * 0.6, y + up[1] * 0.6); pen.stroke();
  pen.fillText('N', x + up[0] * 1.1, y + up[1] * 1.1);
}
// A length at the distance of what is looked at.
function drawScale() {
  const perPixel = look.distance / lens.focal * lens.ratio, power = 10 ** Math.floor(Math.log10(110 * perPixel)), times = 110 * perPixel / power;
  const length = power * (times >= 5 ? 5 : times >= 2 ? 2 : 1), bar = byId('scale');
  bar.style.width = `${length / perPixel}px`;
  bar.textContent = length >= 1000 ? `${length / 1000} km` : length >= 1 ? `${length} m` : `${+(100 * length).toFixed(2)} cm`;
}

function paint() {
  if (!theme) colours();
  aim();
  if (canvas.width !== lens.width || canvas.height !== lens.height) { canvas.width = lens.width; canvas.height = lens.height; }
  drawPoints();
  const last = chosen < 0 ? [] : [data.views[chosen]];
  const views = data.views.filter((view) => !last.includes(view)).sort((a, b) => !!a.suspect - !!b.suspect);
  if (byId('with-sources').checked) views.forEach((view) => drawSource(view, false));
  views.forEach((view) => drawView(view, false));
  last.forEach((view) => { if (byId('with-sources').checked) drawSource(view, true); drawView(view, true); });
  drawNorth();
  drawScale();
}
// Once a frame of the screen, however often it is asked for.
let asked = false;
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; paint(); });
}
