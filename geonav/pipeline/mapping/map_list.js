// How the picture is moved, and the list of references beside it. Names are only ever set as text.
function fit(middle, radius) {
  aim();
  look.target = middle;
  look.distance = radius * lens.focal / (0.58 * Math.min(lens.width, lens.height));
  redraw();
}
function turn(right, down) {
  look.azimuth += right;
  look.pitch = Math.min(Math.PI / 2, Math.max(-0.3, look.pitch + down));
  redraw();
}
// By pixels of the page, at the distance of what is looked at.
function move(right, down) {
  const metres = look.distance / lens.focal * lens.ratio;
  look.target = plus(plus(look.target, lens.right, -right * metres), lens.down, -down * metres);
  redraw();
}
function zoom(factor) {
  look.distance = Math.min(50 * whole.radius, Math.max(0.2, look.distance * factor));
  redraw();
}
const fitAll = () => { look.azimuth = 0; look.pitch = 0.8; fit(whole.middle, whole.radius); };

// One finger or the mouse turns; two fingers, shift or another button move. The wheel zooms once the picture was
// clicked: before, it scrolls the page.
const fingers = new Map();
let moved = false;
const within = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
function spread() {
  const [a, b] = [...fingers.values()];
  return b ? { length: Math.hypot(a[0] - b[0], a[1] - b[1]), at: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] } : null;
}
canvas.addEventListener('pointerdown', (event) => {
  if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
  moved = fingers.size > 0;
  fingers.set(event.pointerId, within(event));
});
canvas.addEventListener('pointermove', (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const now = within(event), was = spread(), step = [now[0] - before[0], now[1] - before[1]];
  if (!moved && Math.hypot(...step) < 4) return;
  moved = true;
  fingers.set(event.pointerId, now);
  const is = spread();
  if (was) {
    zoom(was.length / Math.max(1, is.length));
    move(is.at[0] - was.at[0], is.at[1] - was.at[1]);
  } else if (event.shiftKey || event.buttons > 1) move(...step);
  else turn(-step[0] / 180, step[1] / 180);
});
for (const kind of ['pointerup', 'pointercancel']) window.addEventListener(kind, (event) => fingers.delete(event.pointerId));
canvas.addEventListener('contextmenu', (event) => event.preventDefault());
canvas.addEventListener('wheel', (event) => {
  if (document.activeElement !== canvas && !event.ctrlKey) return;
  event.preventDefault();
  zoom(event.deltaY > 0 ? 1.15 : 0.87);
}, { passive: false });
canvas.addEventListener('click', (event) => {
  if (moved) return;
  const [x, y] = within(event);
  let best = -1, nearest = 18;
  data.views.forEach((view, index) => {
    const away = view.pixel && view.shown ? Math.hypot(view.pixel[0] - x, view.pixel[1] - y) : Infinity;
    if (away < nearest) [best, nearest] = [index, away];
  });
  if (best >= 0) choose(best, false);
});
const turns = { ArrowLeft: [0.12, 0], ArrowRight: [-0.12, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
const keys = { '+': () => zoom(0.8), '=': () => zoom(0.8), '-': () => zoom(1.25), 0: fitAll, Home: fitAll };
canvas.addEventListener('keydown', (event) => {
  const way = turns[event.key];
  if (event.altKey || event.ctrlKey || event.metaKey || !(way || keys[event.key])) return;
  event.preventDefault();
  if (!way) keys[event.key]();
  else if (event.shiftKey) move(Math.sign(way[0]) * 50, Math.sign(way[1]) * 50);
  else turn(...way);
});
byId('nearer').onclick = () => zoom(0.7);
byId('farther').onclick = () => zoom(1.4);
byId('whole').onclick = fitAll;
byId('above').onclick = () => { look.azimuth = 0; look.pitch = Math.PI / 2; redraw(); };
for (const id of ['with-points', 'with-sources']) byId(id).onchange = redraw;

function make(tag, attributes, ...inner) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...inner);
  return node;
}
const rounded = (value, digits) => (+value.toFixed(digits) || 0).toFixed(digits);  // never -0.00
const said = (value, digits, unit = '') => (value === null ? 'not known' : `${rounded(value, digits)}${unit}`);
const distance = (view) => { const known = view.moved.filter((shift) => shift !== null); return known.length ? Math.hypot(...known) : null; };
const directions = (values, digits) => ['east', 'north', 'up'].map((name, i) => (values[i] === null ? null : `${rounded(values[i], digits)} ${name}`))
  .filter(Boolean).join(', ') || 'not known';

// Columns: name, value to sort by, digits; a name's digits are none.
const COLUMNS = [
  ['reference', (view) => view.uid], ['part', (view) => view.part + 1, 0], ['moved m', distance, 2], ['sigmas', (view) => view.worst, 1],
  ['turned °', (view) => view.turned, 2], ['tilted °', (view) => view.tilted, 2], ['± m', (view) => Math.hypot(view.std[0], view.std[1]), 2],
  ['points', (view) => view.points, 0], ['links', (view) => view.links, 0], ['residual px', (view) => view.residual, 2],
  ['suspect', (view) => view.suspect || ''],
].filter(([name]) => name !== 'part' || data.parts.length > 1);
const AT_ONCE = 200;
let order = COLUMNS.findIndex(([name]) => name === 'sigmas'), falling = true, room = AT_ONCE, listed = [];

// Rows without a value stand last, whichever way the others run; a turn either way is as large.
function compare(a, b) {
  const [name, valueOf] = COLUMNS[order], [x, y] = [valueOf(data.views[a]), valueOf(data.views[b])];
  const isEmpty = (value) => value === null || value === '';
  if (isEmpty(x) || isEmpty(y)) return isEmpty(x) - isEmpty(y);
  const by = typeof x === 'string' ? x.localeCompare(y, 'en', { numeric: true }) : name === 'turned °' ? Math.abs(x) - Math.abs(y) : x - y;
  return falling ? -by : by;
}
function cell([name, valueOf, digits], view, index) {
  const value = valueOf(view);
  if (name === 'reference') {
    const button = make('button', { type: 'button' }, value);
    button.onclick = () => choose(index, true);
    return make('td', {}, button);
  }
  if (digits === undefined) return make('td', { class: 'bad' }, value);
  return make('td', { class: 'n' }, value === null ? '' : rounded(value, digits));
}
function list() {
  const words = byId('find').value.trim().toLowerCase(), part = byId('part').value, alone = byId('suspects').checked;
  data.views.forEach((view) => {
    view.shown = (!words || view.uid.toLowerCase().includes(words)) && (!part || view.part === Number(part)) && (!alone || !!view.suspect);
  });
  listed = data.views.map((_, index) => index).filter((index) => data.views[index].shown).sort(compare);
  byId('count').textContent = `${listed.length.toLocaleString('en')} of ${data.views.length.toLocaleString('en')}`;
  rows();
  redraw();
}
function rows() {
  byId('views').tBodies[0].replaceChildren(...listed.slice(0, room).map((index) =>
    make('tr', { 'aria-current': index === chosen, 'data-index': index }, ...COLUMNS.map((column) => cell(column, data.views[index], index)))));
  byId('more').hidden = listed.length <= room;
}
function heads() {
  byId('views').tHead.replaceChildren(make('tr', {}, ...COLUMNS.map(([name, , digits], column) => {
    const button = make('button', { type: 'button' }, `${name}${column === order ? (falling ? ' ▾' : ' ▴') : ''}`);
    button.onclick = () => {
      falling = column === order ? !falling : digits !== undefined;
      order = column;
      heads();
      list();
      byId('views').querySelectorAll('thead button')[column].focus();
    };
    const sorted = column === order ? (falling ? 'descending' : 'ascending') : 'none';
    return make('th', { scope: 'col', class: digits === undefined ? '' : 'n', 'aria-sort': sorted }, button);
  })));
}

// One reference: all that is known of it; the picture goes there where it was asked for by name.
function choose(index, goes) {
  chosen = index;
  const view = data.views[index], fact = (name, value) => make('div', {}, make('dt', {}, name), make('dd', {}, value));
  byId('chosen').replaceChildren(make('h3', {}, view.uid), ...(view.suspect ? [make('p', { class: 'bad' }, `suspect: ${view.suspect}`)] : []), make('dl', {},
    fact('part', data.parts[view.part].name), fact('position', `${said(view.place[0], 7)} ${said(view.place[1], 7)}`),
    fact('moved, m', directions(view.moved, 2)), fact('in standard deviations', said(view.sigmas[0], 1)), fact('± m', directions(view.std, 2)),
    fact('azimuth', `${said(view.azimuth, 1, '°')} ± ${said(view.heading_std, 2, '°')}`), fact('turned clockwise', said(view.turned, 2, '°')),
    fact('in standard deviations', said(view.sigmas[1], 1)), fact('tilted', said(view.tilted, 2, '°')), fact('points seen', view.points),
    fact('linked references', view.links), fact('residual', said(view.residual, 2, ' px'))));
  byId('views').querySelectorAll('[aria-current=true]').forEach((row) => row.setAttribute('aria-current', 'false'));
  byId('views').querySelector(`[data-index="${index}"]`)?.setAttribute('aria-current', 'true');
  if (goes) {
    const away = view.source ? Math.hypot(...plus(view.eye, view.source, -1)) : 0;
    fit(view.eye, Math.min(whole.radius, Math.max(6, 1.3 * away)));
    byId('scene').scrollIntoView({ block: 'start' });
  }
  redraw();
}

for (const [id, kind] of [['find', 'input'], ['part', 'change'], ['suspects', 'change']]) byId(id).addEventListener(kind, () => { room = AT_ONCE; list(); });
byId('more').onclick = () => { room += AT_ONCE; rows(); };
byId('part').append(make('option', { value: '' }, 'all'), ...data.parts.map((_, number) => make('option', { value: number }, `${number + 1}`)));
byId('by-part').hidden = data.parts.length < 2;
byId('legend').append(...data.parts.map((_, number) => make('span', { style: `--c:hsl(${hueOf(number)} 75% var(--light))` }, data.parts.length < 2 ? 'references' : `part ${number + 1}`)),
  make('span', { style: '--c:var(--bad)' }, 'suspect'));
matchMedia('(prefers-color-scheme:dark)').addEventListener('change', () => { theme = null; redraw(); });
new ResizeObserver(() => redraw()).observe(canvas);
heads();
list();
fitAll();
