// The map: north up, a unit is a metre, y grows to the south. Widths are in pixels at every zoom, so that moving
// and zooming change one attribute, however much is drawn.
const toneOf = Object.fromEntries(data.kinds.map((kind) => [kind.key, kind.tone]));
const plan = byId('map');
const marks = [];
let view = null;

const dot = (at) => `M${at[0]} ${-at[1]}h0`;
const ellipseAt = (photo, extra) => draw('ellipse', { class: 'confidence', rx: photo.ellipse[1], ry: photo.ellipse[0], ...extra,
  transform: `${(extra && extra.transform) || `translate(${photo.estimate[0]} ${-photo.estimate[1]})`} rotate(${photo.ellipse[2]})` });

function drawMap(choose) {
  const all = document.createDocumentFragment();
  if (data.spots.length) all.append(draw('path', { class: 'spots', d: data.spots.map(dot).join('') }));
  data.photos.forEach((photo, index) => {
    const mark = draw('g', { class: toneOf[photo.kind] });
    if (photo.ellipse) mark.append(ellipseAt(photo));
    if (photo.truth && photo.estimate) {
      mark.append(draw('path', { class: 'error', d: `M${photo.truth[0]} ${-photo.truth[1]}L${photo.estimate[0]} ${-photo.estimate[1]}` }));
    }
    if (photo.truth) mark.append(draw('path', { class: 'truth', d: dot(photo.truth) }));
    if (photo.estimate) mark.append(draw('path', { class: 'estimate', d: dot(photo.estimate) }));
    marks.push(mark);
    const at = photo.truth || photo.estimate;
    if (!at) return;
    const hand = titled(draw('path', { class: 'hand', d: dot(at) }), photo.name);
    hand.addEventListener('click', () => { if (!moved) choose(index, true); });
    mark.append(hand);
    all.append(mark);
  });
  all.append(draw('g', { id: 'sights' }));
  plan.classList.toggle('many', data.photos.length > 150);
  plan.replaceChildren(all);
}

// Where the cameras of the chosen photo look, as long on the screen at every zoom.
let looked = null;
function drawSights(photo) {
  looked = photo;
  const sights = byId('sights');
  if (!sights || !view) return;
  const reach = 34 * view.unit;
  const sight = (at, azimuth, name) => at && azimuth !== undefined && draw('path', { class: `sight ${name}`,
    d: `M${at[0]} ${-at[1]}l${reach * Math.sin(azimuth * Math.PI / 180)} ${-reach * Math.cos(azimuth * Math.PI / 180)}` });
  sights.setAttribute('class', toneOf[photo.kind]);
  sights.replaceChildren(...[sight(photo.truth, photo.true_azimuth, 'was'), sight(photo.estimate, photo.azimuth, 'is')].filter(Boolean));
}

function show(x, y, unit) {
  const width = plan.clientWidth || 600, height = plan.clientHeight || 400;
  view = { x, y, unit };
  plan.setAttribute('viewBox', `${x - width * unit / 2} ${y - height * unit / 2} ${width * unit} ${height * unit}`);
  const length = round(110 * unit), bar = byId('scale');
  bar.style.width = `${length / unit}px`;
  bar.textContent = said(length);
  if (looked) drawSights(looked);
}
// The smallest view of all points, with a margin, and no closer than a few metres.
function fit(points, least) {
  if (!points.length) return;
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  points.forEach(([x, y]) => { west = Math.min(west, x); east = Math.max(east, x); south = Math.min(south, y); north = Math.max(north, y); });
  const room = [Math.max(50, plan.clientWidth - 90), Math.max(50, plan.clientHeight - 90)];
  show((west + east) / 2, -(south + north) / 2, Math.max((east - west) / room[0], (north - south) / room[1], least / room[0]));
}
const pointsOf = (photo) => [photo.truth, photo.estimate].filter(Boolean);
function fitAll() {
  const own = data.photos.flatMap(pointsOf);
  if (data.photos.length > 1 || !own.length) fit(own.concat(data.spots), 4);
  else fit(own.concat(data.spots.filter(([x, y]) => Math.hypot(x - own[0][0], y - own[0][1]) < 60)), 40);
}
function fitPhoto(photo) {
  const ends = pointsOf(photo), at = ends[0];
  if (!at) return;
  const reach = photo.ellipse ? photo.ellipse[0] : 0;
  ends.forEach(([x, y]) => ends.length < 9 && ends.push([x - reach, y - reach], [x + reach, y + reach]));
  fit(ends, 0.02);
}
function zoom(factor, at) {
  if (!view) return;
  const unit = Math.min(1e5, Math.max(1e-5, view.unit * factor));
  const away = at ? [at[0] - plan.clientWidth / 2, at[1] - plan.clientHeight / 2] : [0, 0];
  show(view.x + away[0] * (view.unit - unit), view.y + away[1] * (view.unit - unit), unit);
}
const move = (right, down) => show(view.x + right * view.unit, view.y + down * view.unit, view.unit);

// One finger or the mouse moves, two fingers zoom. The wheel zooms once the map was touched: before, it scrolls the page.
const fingers = new Map();
let moved = false;
const within = (event) => { const box = plan.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
function spread() {
  const [a, b] = [...fingers.values()];
  return b ? { length: Math.hypot(a[0] - b[0], a[1] - b[1]), at: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] } : null;
}
plan.addEventListener('pointerdown', (event) => { fingers.set(event.pointerId, within(event)); moved = false; });
plan.addEventListener('pointermove', (event) => {
  const before = fingers.get(event.pointerId);
  if (!before || !view) return;
  const now = within(event), was = spread();
  if (!moved && Math.hypot(now[0] - before[0], now[1] - before[1]) < 4) return;
  moved = true;
  fingers.set(event.pointerId, now);
  const is = spread();
  if (was) zoom(was.length / Math.max(1, is.length), is.at);
  else move(before[0] - now[0], before[1] - now[1]);
});
for (const kind of ['pointerup', 'pointercancel']) window.addEventListener(kind, (event) => fingers.delete(event.pointerId));
plan.addEventListener('wheel', (event) => {
  if (document.activeElement !== plan && !event.ctrlKey) return;
  event.preventDefault();
  zoom(event.deltaY > 0 ? 1.25 : 0.8, within(event));
}, { passive: false });
const keys = { '+': () => zoom(0.7), '=': () => zoom(0.7), '-': () => zoom(1.4), ArrowLeft: () => move(-60, 0), ArrowRight: () => move(60, 0),
  ArrowUp: () => move(0, -60), ArrowDown: () => move(0, 60) };
plan.addEventListener('keydown', (event) => {
  if (!keys[event.key] || !view) return;
  event.preventDefault();
  event.stopPropagation();
  keys[event.key]();
});
byId('nearer').onclick = () => zoom(0.6);
byId('farther').onclick = () => zoom(1.7);
byId('whole').onclick = fitAll;
