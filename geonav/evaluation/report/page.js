'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const NS = 'http://www.w3.org/2000/svg';
const byId = (id) => document.getElementById(id);
function make(tag, attributes, text, space) {
  const node = space ? document.createElementNS(NS, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}
const draw = (tag, attributes, text) => make(tag, attributes, text, true);
const size = (metres) => (metres === null ? '' : metres < 10 ? metres.toFixed(3) : metres.toFixed(1));
let chosen = 0, key = 'index', rising = true;
data.photos.forEach((photo, index) => { photo.index = index; });

function listed() {
  const word = byId('find').value.toLowerCase(), status = byId('status').value;
  const kept = data.photos.filter((p) => (!status || p.status === status) &&
    `${p.name} ${p.reason || ''}`.toLowerCase().includes(word));
  const last = rising ? Infinity : -Infinity;
  kept.sort((a, b) => {
    const x = a[key] ?? last, y = b[key] ?? last;
    return (x < y ? -1 : x > y ? 1 : 0) * (rising ? 1 : -1) || a.index - b.index;
  });
  return kept;
}
function list() {
  const photos = listed(), body = byId('rows');
  byId('count').textContent = `${photos.length} of ${data.photos.length} photos`;
  body.replaceChildren(...photos.map((photo) => {
    const row = make('tr', {'aria-selected': photo.index === chosen});
    const name = make('td'), button = make('button', {type: 'button'}, photo.name);
    button.onclick = () => { choose(photo.index); byId('detail').scrollIntoView(); };
    name.append(button);
    row.append(name, make('td', {class: photo.status === 'located' ? 'located' : 'refused'}, photo.status.replace('_', ' ')),
      make('td', {class: 'n'}, size(photo.error_m)), make('td', {class: 'n'}, size(photo.error_deg)),
      make('td', {class: 'n'}, photo.ellipse ? size(photo.ellipse[0]) : ''),
      make('td', {class: 'n'}, photo.total_s === null ? '' : photo.total_s.toFixed(2)));
    return row;
  }));
}
function picture(part, x, label) {
  const node = part.src ? draw('image', {href: part.src, x, y: 0, width: part.w, height: part.h})
    : draw('rect', {x, y: 0, width: part.w, height: part.h, fill: 'none', stroke: 'currentColor'});
  node.append(draw('title', {}, label));
  return node;
}
function matches(photo, lines) {
  const reference = data.references[lines.uid];
  const scale = photo.h / reference.h, gap = photo.w * 0.02;
  const right = {src: reference.src, w: reference.w * scale, h: photo.h}, left = photo.w + gap;
  const svg = draw('svg', {class: 'match', viewBox: `0 0 ${left + right.w} ${photo.h}`, role: 'img',
    'aria-label': `${lines.num_inliers} of ${lines.num_matches} matches with ${lines.uid} agree with the pose`});
  svg.append(picture(photo, 0, photo.name), picture(right, left, lines.uid));
  lines.ends.map((end, i) => [end, lines.inlier[i]]).sort((a, b) => a[1] - b[1]).forEach(([end, inlier]) => {
    svg.append(draw('line', {class: inlier ? 'in' : 'out', x1: end[0], y1: end[1], x2: left + end[2] * scale,
      y2: end[3] * scale, 'stroke-width': photo.w / 500}));
  });
  return svg;
}
function choose(index) {
  chosen = index;
  const photo = data.photos[index], box = byId('detail');
  const state = photo.status === 'located' ? 'located' : 'refused';
  box.replaceChildren(make('h2', {tabindex: -1}, photo.name),
    make('p', {class: state}, photo.reason ? `${photo.status.replace('_', ' ')}: ${photo.reason}` : photo.status));
  if (photo.position) box.append(make('p', {}, photo.position));
  if (photo.error_m !== null) box.append(make('p', {}, `${size(photo.error_m)} m and ${size(photo.error_deg)}° from the truth`));
  photo.notes.forEach((note) => box.append(make('p', {class: 'soft'}, note)));
  if (photo.lines.length) {
    box.append(make('h3', {}, 'Matches'),
      make('p', {class: 'soft'}, 'The photo left, the reference right. Green: agrees with the pose. Red: does not.'));
  } else {
    const alone = draw('svg', {class: 'match', viewBox: `0 0 ${photo.w} ${photo.h}`, role: 'img', 'aria-label': photo.name});
    alone.append(picture(photo, 0, photo.name));
    box.append(alone);
  }
  photo.lines.forEach((lines) => box.append(
    make('p', {}, `${lines.uid}: ${lines.num_inliers} of ${lines.num_matches} matches agree`), matches(photo, lines)));
  box.append(make('h3', {}, 'Retrieved references'), table(['reference', 'similarity', 'matches', 'inliers'],
    photo.retrieved), make('h3', {}, 'Seconds'), table(Object.keys(photo.seconds),
    [Object.values(photo.seconds).map((value) => value.toFixed(2))]));
  list();
  map();
}
function table(heads, rows) {
  const node = make('table'), head = make('tr'), scroll = make('div', {class: 'scroll', tabindex: 0});
  heads.forEach((text) => head.append(make('th', {scope: 'col'}, text)));
  node.append(make('thead'), make('tbody'));
  node.firstChild.append(head);
  rows.forEach((cells) => { const row = make('tr'); cells.forEach((cell) => row.append(make('td', {}, cell))); node.lastChild.append(row); });
  scroll.append(node);
  return scroll;
}

const svg = byId('map');
let view = null;
function fit() {
  const points = data.places.concat(data.photos.flatMap((p) => [p.truth, p.estimate].filter(Boolean)));
  if (!points.length) { byId('place').hidden = true; return; }
  const xs = points.map((p) => p[0]), ys = points.map((p) => -p[1]);
  const low = (v) => v.reduce((a, b) => Math.min(a, b)) - 5, high = (v) => v.reduce((a, b) => Math.max(a, b)) + 5;
  view = [low(xs), low(ys), high(xs) - low(xs), high(ys) - low(ys)];
}
function map() {
  if (!view) return;
  svg.setAttribute('viewBox', view.join(' '));
  const unit = Math.max(view[2] / svg.clientWidth, view[3] / svg.clientHeight), all = document.createDocumentFragment();
  data.places.forEach(([x, y]) => all.append(draw('circle', {cx: x, cy: -y, r: 2 * unit, fill: '#8a94a0'})));
  data.photos.forEach((p) => {
    const thick = (p.index === chosen ? 3 : 1) * unit, mark = draw('g', {});
    if (p.ellipse) {
      mark.append(draw('ellipse', {class: 'confidence', cx: 0, cy: 0, rx: p.ellipse[1], ry: p.ellipse[0], fill: 'none', stroke: 'var(--mark)',
        'stroke-width': thick, transform: `translate(${p.estimate[0]} ${-p.estimate[1]}) rotate(${p.ellipse[2]})`}));
    }
    if (p.truth && p.estimate) {
      mark.append(draw('line', {class: 'error', x1: p.truth[0], y1: -p.truth[1], x2: p.estimate[0], y2: -p.estimate[1],
        stroke: 'var(--bad)', 'stroke-width': thick}));
    }
    const dot = (at, fill) => draw('circle', {cx: at[0], cy: -at[1], r: (p.index === chosen ? 6 : 3) * unit, fill});
    if (p.truth) mark.append(dot(p.truth, p.estimate ? 'var(--good)' : 'var(--bad)'));
    if (p.estimate) mark.append(dot(p.estimate, 'var(--mark)'));
    mark.append(draw('title', {}, p.name));
    mark.onclick = () => choose(p.index);
    all.append(mark);
  });
  svg.replaceChildren(all);
}
function zoom(factor) {
  view = [view[0] + view[2] * (1 - factor) / 2, view[1] + view[3] * (1 - factor) / 2, view[2] * factor, view[3] * factor];
  map();
}
svg.addEventListener('wheel', (event) => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8); }, {passive: false});
let grip = null;
svg.addEventListener('pointerdown', (event) => { grip = [event.clientX, event.clientY]; });
svg.addEventListener('pointermove', (event) => {
  if (!grip) return;
  const unit = Math.max(view[2] / svg.clientWidth, view[3] / svg.clientHeight);
  view[0] -= (event.clientX - grip[0]) * unit;
  view[1] -= (event.clientY - grip[1]) * unit;
  grip = [event.clientX, event.clientY];
  svg.setAttribute('viewBox', view.join(' '));
});
window.addEventListener('pointerup', () => { grip = null; });
byId('nearer').onclick = () => zoom(0.6);
byId('farther').onclick = () => zoom(1.7);
byId('whole').onclick = () => { fit(); map(); };
byId('find').oninput = list;
byId('status').onchange = list;
document.querySelectorAll('[data-key]').forEach((button) => {
  button.onclick = () => { rising = key === button.dataset.key ? !rising : true; key = button.dataset.key; list(); };
});
fit();
if (data.photos.length) choose(0);
